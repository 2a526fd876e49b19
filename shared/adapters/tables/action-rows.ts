import { randomUUID } from "node:crypto";
import type { Action } from "../../run/action.ts";
import { writeAction } from "./action-entity.ts";
import { actionRow } from "./keys.ts";
import type { Step } from "./transactions.ts";

/** Notes in the action log what a person did, in the transaction that does it. */
export function actionStep(partitionKey: string, action: Action): Step {
  const rowKey = actionRow(action.at, randomUUID().slice(0, 8));
  return { kind: "create", row: { ...writeAction(action), partitionKey, rowKey } };
}
