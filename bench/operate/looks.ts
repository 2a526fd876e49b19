import { odata } from "@azure/data-tables";
import { deadRows, HOLD_ROWS, rowsFoundBy, runRowsOfDay, WORK_ROWS } from "../../shared/adapters/tables/keys.ts";
import type { Operator } from "../../shared/operate/operator.ts";
import type { OpenStatus, Run } from "../../shared/run/run.ts";
import { closedMessageId } from "../backlog/history.ts";
import type { Connections } from "../servers.ts";
import { makeBareLooks } from "./bare-looks.ts";

/** A view, and the bare requests that it needs. Both reject if they don't see what the bench has put there. */
export interface Look {
  readonly what: string;
  /** The 95th percentile should be at most this. */
  readonly targetMs: number;
  readonly view: () => Promise<void>;
  readonly bare: () => Promise<void>;
}

const VIEW_MS = 50;
const SEARCH_MS = 20;
const DAY_MS = 24 * 3_600_000;

/**
 * Makes the views that are measured. All runs are of the one source that there is. `closed`: how many of its runs are
 * closed. `size`: how many things a page has.
 */
export async function makeLooks(
  operator: Operator,
  connections: Connections,
  { closed, size = 100 }: { readonly closed: number; readonly size?: number },
): Promise<Look[]> {
  const bare = await makeBareLooks(connections);
  const yesterday = Math.floor(Date.now() / DAY_MS - 1) * DAY_MS;
  const [module = ""] = connections.queues;
  const working = await lastOf(operator, "dispatched");
  const waiting = await lastOf(operator, "waiting");
  let sought = 0;
  // Another one each time, because none should be in any cache.
  const someMessage = () => closedMessageId(1 + ((sought += 7919) % closed));
  const page = (found: { readonly length: number }) => expected(found.length === size, "a page is not full");

  return [
    {
      what: "status",
      targetMs: VIEW_MS,
      async view() {
        const { tick, modules } = await operator.status();
        expected(tick !== undefined && (modules[0]?.inLine.count ?? 0) > 0, "the status lacks the tick or the line");
      },
      bare: () => bare.status(),
    },
    {
      what: `${size} open runs of a module`,
      targetMs: VIEW_MS,
      view: async () => page((await operator.runs({ module }, { limit: size })).runs),
      bare: () => bare.rows(WORK_ROWS, { first: size + 1 }),
    },
    {
      what: `${size} runs of a status`,
      targetMs: VIEW_MS,
      view: async () => page((await operator.runs({ status: "held" }, { limit: size })).runs),
      bare: () => bare.rows(HOLD_ROWS, { first: size + 1 }),
    },
    {
      what: `${size} closed runs of a day`,
      targetMs: VIEW_MS,
      view: async () => page((await operator.runs({ which: "closed", since: yesterday }, { limit: size })).runs),
      bare: () => bare.rows(runRowsOfDay(yesterday), { first: size + 1, filter: odata`status ne ${"open"}` }),
    },
    {
      what: "one run at work",
      targetMs: VIEW_MS,
      view: async () => expected((await operator.show(working)) !== undefined, "the run at work is missing"),
      bare: () => bare.show(working),
    },
    {
      what: "explain: a run at work",
      targetMs: VIEW_MS,
      view: async () => expected((await operator.explain(working)) !== undefined, "the run at work is missing"),
      bare: () => bare.explain(working),
    },
    {
      what: "explain: a run in a long line",
      targetMs: VIEW_MS,
      view: async () => expected((await operator.explain(waiting)) !== undefined, "the run in line is missing"),
      bare: () => bare.explain(waiting),
    },
    {
      what: "dead groups",
      targetMs: VIEW_MS,
      async view() {
        const { groups } = await operator.deadGroups({ limit: 50 });
        expected(groups.length === 3, `there are ${groups.length} failure groups`);
      },
      bare: () => bare.deadGroups(),
    },
    {
      what: `${size} dead letters`,
      targetMs: VIEW_MS,
      view: async () => page((await operator.deadLetters({}, { limit: size })).letters),
      bare: () => bare.rows(deadRows({}), { first: size + 1 }),
    },
    {
      what: `${size} actions`,
      targetMs: VIEW_MS,
      view: async () => page((await operator.actions({ limit: size })).actions),
      bare: () => bare.actions({ first: size + 1 }),
    },
    {
      what: "search by message id",
      targetMs: SEARCH_MS,
      view: async () => expected((await operator.find(someMessage()))?.keys.length === 1, "a message is not found"),
      bare: () => bare.rows(rowsFoundBy("msg", someMessage()), {}),
    },
  ];
}

function expected(isAsExpected: boolean, what: string): void {
  if (!isAsExpected) throw new Error(`a view is not of what was put there: ${what}`);
}

/** Finds the last run of a status that is within the first thousands. */
async function lastOf(operator: Operator, status: OpenStatus): Promise<Run> {
  const { runs } = await operator.runs({ status }, { limit: 5_000 });
  const last = runs.flatMap((run) => ("closedAt" in run || run.status !== status ? [] : [run])).at(-1);
  if (!last) throw new Error(`no run is ${status}`);
  return last;
}
