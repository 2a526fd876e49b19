import { z } from "zod";
import { REASONS } from "../run/reasons.ts";
import { CLOSED_STATUSES, OPEN_STATUSES } from "../run/run.ts";

// What answers of several routes are made of.

/** The named schemas, which the OpenAPI document lists once each. */
export const NAMED = z.registry<{ readonly id: string }>();

export function named<Schema extends z.ZodType>(id: string, schema: Schema): Schema {
  NAMED.add(schema, { id });
  return schema;
}

/** A list that nobody changes. */
export const list = <Item extends z.ZodType>(item: Item) => z.array(item).readonly();
export const time = z.number().describe("ms since 1970");
export const length = z.number().describe("ms");
export const count = z.int().min(0);
export const counts = z.record(z.string(), count.optional());

export const source = named(
  "Source",
  z.union([z.object({ queue: z.string() }), z.object({ topic: z.string(), subscription: z.string() })]),
);
export const counted = z
  .object({ count, isMore: z.boolean() })
  .describe("isMore: there are so many or more, because no more are counted");
export const reason = z.enum(REASONS);
const closedStatus = z.enum(CLOSED_STATUSES);
/** Something whose other fields depend on the word that tells its kind. */
export const byKind = z.looseObject({ kind: z.string() });
export const byPhase = z.looseObject({ phase: z.string() });
export const byDeed = z.looseObject({ do: z.string() });
export const byCause = z.looseObject({ cause: z.string() });
/** What was asked of one server, which may be away. */
export const sought = <Found extends z.ZodType>(found: Found) =>
  z.union([z.object({ found: found.nullable() }), z.object({ unavailable: z.string() })]);
export const moduleName = z.string().describe("empty: no module takes the message");

export const limit = named(
  "Limit",
  z.object({
    module: z.string(),
    slots: count.describe("0: the module is paused"),
    who: z.string(),
    why: z.string().optional(),
    since: time,
    until: time.optional(),
  }),
);

const attemptEnd = z.object({
  reason,
  kind: z.string(),
  permanent: z.boolean(),
  detail: z.string(),
  exitCode: z.int().optional(),
  startFault: z.string().optional(),
});

const runFields = z.object({
  id: z.string().describe("such as thumbnails:42:1732400000000"),
  source,
  sequenceNumber: z.int(),
  enqueuedAt: time,
  redrive: count.optional().describe("how often its dead letter was redriven until then"),
  status: z.enum([...OPEN_STATUSES, ...CLOSED_STATUSES]),
  module: moduleName,
  messageId: z.string(),
  correlationId: z.string().optional(),
  subject: z.string().optional(),
  traceparent: z.string().optional(),
  acceptedAt: time,
  expiresAt: time.optional(),
  attempt: z.int(),
  failures: count,
  interruptions: count,
  bodyInBlob: z.boolean(),
  notBefore: time,
  dispatchedAt: time.optional(),
  jobOverdueAt: time.optional(),
  heldUpBy: z.string().optional(),
  heldUpSince: time.optional(),
  jobName: z.string().optional(),
  jobUid: z.string().optional(),
  endOrdered: attemptEnd.optional(),
  verdict: z
    .object({
      outcome: closedStatus,
      reason: reason.optional(),
      description: z.string().optional(),
      exitCode: z.int().optional(),
      unbegun: z.boolean().optional(),
    })
    .optional(),
  lastError: z.string().optional(),
  logsUrl: z.string().optional(),
  absentSince: time.optional(),
  busyCount: count,
  closedAt: time.optional().describe("only of a run that is over"),
  wasHeld: z.boolean().optional(),
});
export const run = named("Run", runFields);
export const action = z.object({
  at: time,
  who: z.string(),
  why: z.string().optional(),
  what: z.string(),
  subject: z.string(),
  facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
export const actionsOn = list(action).describe("what persons did to it, the newest first");
export const redrivenAs = z
  .object({ id: z.string(), redrive: count, status: z.enum([...CLOSED_STATUSES, "open"]) })
  .optional()
  .describe("as which run its dead letter was redriven last; missing if it was not");

export const spread = z.object({ count, medianMs: length, p95Ms: length });
export const redrive = z.looseObject({
  source,
  orderedAt: time,
  who: z.string(),
  why: z.string().optional(),
  perSecond: z.int(),
  most: z.int().optional(),
  end: z.enum(["done", "aborted", "stopped"]).optional().describe("missing while it is at work"),
  endedAt: time.optional(),
  problem: z.string().optional(),
  redriven: count,
  left: counts,
});
