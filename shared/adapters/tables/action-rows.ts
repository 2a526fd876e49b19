import { randomUUID } from "node:crypto";
import { odata } from "@azure/data-tables";
import type { ActionLog } from "../../ports/action-log.ts";
import type { Action } from "../../run/action.ts";
import type { Source } from "../../run/source.ts";
import { readAction, writeAction } from "./action-entity.ts";
import { ACTION_ROWS, actionRow, actionsBefore, after, instancePartition, sourcePartition } from "./keys.ts";
import { readUpTo } from "./read-up-to.ts";
import type { ReadRows, TableRows } from "./rows.ts";
import { purgeRange } from "./run-history.ts";
import type { Step } from "./transactions.ts";

/** Notes in the action log what a person did, in the transaction that does it. No step if nobody did. */
export function actionSteps(partitionKey: string, action: Action | undefined): Step[] {
  if (action === undefined) return [];
  const rowKey = actionRow(action.at, randomUUID().slice(0, 8));
  return [{ kind: "create", row: { ...writeAction(action), partitionKey, rowKey } }];
}

/** Makes the port to the action log of an instance, which has a part in each source's partition. */
export function makeActionRows(rows: TableRows, instance: string, readable: ReadRows): ActionLog {
  const partitionOf = (source: Source | undefined) =>
    source === undefined ? instancePartition(instance) : sourcePartition(instance, source);

  return {
    async recordAction(action, source) {
      await rows.transact(actionSteps(partitionOf(source), action), "noting what a person does");
    },

    async actions(source, limit, behind, subject) {
      const filter = subject === undefined ? {} : { filter: odata`subject eq ${subject}` };
      return readUpTo(
        (range, size) => rows.query(partitionOf(source), range, { limit: size, ...filter }, "reading what persons did"),
        after(behind, ACTION_ROWS),
        limit,
        (page) => readable(page, ({ rowKey, columns }) => ({ id: rowKey, action: readAction(columns) })),
      );
    },

    purgeActions: (source, before, limit) =>
      purgeRange(rows, partitionOf(source), actionsBefore(before), limit, "purging the action log"),
  };
}
