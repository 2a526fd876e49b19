import { z } from "zod";
import { PLACES } from "../ports/run-table.ts";
import { REASONS } from "../run/reasons.ts";
import { LETTER_HINDRANCES } from "../run/redrive.ts";
import { CLOSED_STATUSES, OPEN_STATUSES } from "../run/run.ts";
import { ROLES } from "./caller.ts";

// What the API answers. The compiler holds each answer against the view that gives it, and a test holds what the routes
// really answer against these. Where the rules of a room decide what is said (a decision, a finding), only the word that
// tells the kind is described.

/** The named schemas, which the OpenAPI document lists once each. */
export const NAMED = z.registry<{ readonly id: string }>();

function named<Schema extends z.ZodType>(id: string, schema: Schema): Schema {
  NAMED.add(schema, { id });
  return schema;
}

/** A list that nobody changes. */
const list = <Item extends z.ZodType>(item: Item) => z.array(item).readonly();
const time = z.number().describe("ms since 1970");
const length = z.number().describe("ms");
const count = z.int().min(0);
const counts = z.record(z.string(), count.optional());

const source = named(
  "Source",
  z.union([z.object({ queue: z.string() }), z.object({ topic: z.string(), subscription: z.string() })]),
);
const counted = z
  .object({ count, isMore: z.boolean() })
  .describe("isMore: there are so many or more, because no more are counted");
const reason = z.enum(REASONS);
const closedStatus = z.enum(CLOSED_STATUSES);
/** Something whose other fields depend on the word that tells its kind. */
const byKind = z.looseObject({ kind: z.string() });
const byPhase = z.looseObject({ phase: z.string() });
const byDeed = z.looseObject({ do: z.string() });
const byCause = z.looseObject({ cause: z.string() });
/** What was asked of one server, which may be away. */
const sought = <Found extends z.ZodType>(found: Found) =>
  z.union([z.object({ found: found.nullable() }), z.object({ unavailable: z.string() })]);
const moduleName = z.string().describe("empty: no module takes the message");

const limit = named(
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
const run = named("Run", runFields);
const action = z.object({
  at: time,
  who: z.string(),
  why: z.string().optional(),
  what: z.string(),
  subject: z.string(),
  facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
const actionsOn = list(action).describe("what persons did to it, the newest first");
const redrivenAs = z
  .object({ id: z.string(), redrive: count, status: z.enum([...CLOSED_STATUSES, "open"]) })
  .optional()
  .describe("as which run its dead letter was redriven last; missing if it was not");

export const session = named(
  "Session",
  z.object({
    instance: z.string(),
    namespace: z.string(),
    place: z.string().describe("where this Dispatcher is, in words"),
    version: z.string(),
    role: z.enum(ROLES),
    mayChange: z.boolean().describe("whether actions are taken here"),
  }),
);

const spread = z.object({ count, medianMs: length, p95Ms: length });
const moduleStatus = named(
  "ModuleStatus",
  z.object({
    module: moduleName,
    source: source.optional(),
    slots: count.optional(),
    fileMistakes: list(z.string()).describe("what is wrong with its file; the app goes on with an earlier form of it"),
    isOtherForm: z.boolean().describe("whether the replica that ticked last has read another form of its file"),
    limit: limit.optional(),
    atWork: z.object({ byStatus: counts, heldUpBy: counts, busy: count }).optional(),
    inLine: counted,
    later: counted.extend({ causes: counts }),
    held: counted,
    oldestAt: time.optional(),
    trip: z.object({ since: time, why: z.string(), probeAt: time }).optional(),
    gate: z.object({ name: z.string(), since: time, problem: z.string() }).optional(),
    ends: z.object({ since: time, firstAt: time.optional() }).catchall(count.optional()).optional(),
    lately: z
      .object({ since: time, slotMs: length, done: list(count), failed: list(count) })
      .describe("the same by slots of slotMs, the oldest first; the last slot is not over"),
    took: z
      .object({
        job: spread.optional().describe("from the last attempt's Job being created until the run was closed"),
        whole: spread.optional().describe("from the message being enqueued until the run was closed"),
      })
      .describe("how long those took that were done or failed in the last hour"),
  }),
);
const redrive = z.looseObject({
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

export const status = named(
  "Status",
  z.object({
    instance: z.string(),
    namespace: z.string(),
    at: time,
    tick: z.object({ at: time, ageMs: length }).optional(),
    ticker: z.string().optional(),
    modules: list(moduleStatus),
    redrives: list(redrive).describe("those that are at work"),
    problems: list(byKind),
  }),
);

export const runsPage = named(
  "RunsPage",
  z.object({
    runs: list(run.extend({ redriven: redrivenAs })),
    scanned: count.describe("how many rows were read for it"),
    next: z.string().optional().describe("give it as `from` for the next page"),
  }),
);

const container = z.object({
  name: z.string(),
  state: z.enum(["waiting", "running", "ended"]),
  reason: z.string().optional(),
  exitCode: z.int().optional(),
  startedAt: time.optional(),
  endedAt: time.optional(),
});
const pod = z.object({
  name: z.string(),
  phase: z.string(),
  reason: z.string().optional(),
  node: z.string().optional(),
  startedAt: time.optional(),
  containers: list(container),
});
const job = z.object({
  name: z.string(),
  uid: z.string(),
  phase: z.enum(["suspended", "active", "ending", "complete", "failed"]),
  isRetired: z.boolean(),
  why: z.string().optional(),
  endedAt: time.optional(),
  pods: list(pod),
});
const message = z.object({
  state: z.enum(["active", "deferred", "scheduled"]),
  deliveryCount: z.int().optional(),
  stamps: z.record(z.string(), z.unknown()),
  bodyBytes: count,
});
const place = z.enum([...PLACES, "closed"]);
export const runShown = named(
  "RunShown",
  z.object({
    run,
    place,
    attempt: count.describe("the one that is at work or was last; 0 if none has begun"),
    job: sought(job),
    message: sought(message),
    times: z.object({
      enqueuedAt: time,
      acceptedAt: time,
      jobCreatedAt: time.optional(),
      podStartedAt: time.optional(),
      workStartedAt: time.optional(),
      workEndedAt: time.optional(),
      jobEndedAt: time.optional(),
      closedAt: time.optional(),
    }),
    timeline: list(z.object({ at: time, what: z.string(), attempt: count, cause: z.string().optional() })).describe(
      "what happened in all attempts, oldest first",
    ),
    redriven: redrivenAs,
    actions: actionsOn,
  }),
);

export const content = named(
  "Content",
  sought(
    z.object({
      body: z.string(),
      encoding: z.enum(["utf8", "base64"]),
      isCut: z.boolean().describe("only the beginning of the body is shown"),
      bodyBytes: count,
      contentType: z.string().optional(),
      properties: z.record(z.string(), z.unknown()),
    }),
  ),
);

export const jobInCluster = named(
  "JobInCluster",
  z.object({
    attempt: count.describe("0 if none has begun"),
    name: z.string().optional().describe("the name that the Job has, or had"),
    job: sought(z.object({ yaml: z.string() })).describe("found is null if it is not there any more"),
    events: sought(
      list(
        z.object({
          at: time.optional(),
          kind: z.enum(["Job", "Pod"]),
          name: z.string(),
          isWarning: z.boolean(),
          reason: z.string(),
          message: z.string(),
          count,
        }),
      ),
    ).describe("of the Job and its pods, oldest first"),
  }),
);

export const explanation = named(
  "Explanation",
  z.union([
    z.object({ kind: z.literal("closed"), run, redriven: redrivenAs, actions: actionsOn }),
    z.object({
      kind: z.literal("open"),
      run,
      place,
      at: time,
      facts: z.object({
        jobName: z.string(),
        job: byPhase,
        cancelled: z.boolean(),
        message: z.string().optional(),
        slot: z.looseObject({ start: z.boolean() }).optional(),
      }),
      rule: z.string(),
      decision: byDeed,
      unavailable: z.string().optional(),
      actions: actionsOn,
      usually: spread.optional().describe("how long Jobs of its module took in the last hour, if its own is at work"),
      keptBack: byCause.optional(),
      waitsFor: z
        .object({
          cause: z.string(),
          until: time.optional(),
          ahead: counted.optional(),
          estimate: z
            .object({
              ms: length.optional(),
              leastMs: length.optional(),
              isMore: z.boolean(),
              closed: count,
              since: time,
            })
            .optional(),
        })
        .optional(),
    }),
  ]),
);

export const logs = named(
  "Logs",
  z.object({
    attempt: count,
    from: z.enum(["pod", "store", "nowhere"]),
    isOpen: z.boolean().describe("whether more may follow"),
    containers: list(z.object({ container: z.string(), text: z.string(), isCut: z.boolean() })),
  }),
);

export const found = named(
  "Found",
  z.object({
    by: z.enum(["run id", "message id", "correlation id"]).optional().describe("missing if nothing was found"),
    runs: list(
      z.object({
        id: z.string(),
        source,
        sequenceNumber: z.int(),
        enqueuedAt: time,
        status: z
          .enum([...OPEN_STATUSES, ...CLOSED_STATUSES])
          .optional()
          .describe("missing if its row can't be read"),
        module: moduleName.optional(),
        messageId: z.string().optional(),
      }),
    ).describe("source by source, the newest of each last"),
    next: z.string().optional().describe("give it as `after` for the next page"),
  }),
);

const group = z.object({ id: z.string(), text: z.string() });
const letter = named(
  "DeadLetter",
  z.object({
    id: z.string().describe("that of its run"),
    source,
    sequenceNumber: z.int(),
    enqueuedAt: time,
    module: moduleName,
    reason,
    exitCode: z.int().optional(),
    group,
    lastWords: z
      .string()
      .optional()
      .describe("its own, with their numbers and ids; missing if an older release noted it"),
    messageId: z.string(),
    attempts: count,
    closedAt: time,
  }),
);
export const failureGroups = named(
  "FailureGroups",
  z.object({
    groups: list(
      group.extend({
        module: moduleName,
        reason,
        exitCode: z.int().optional(),
        count,
        isMore: z.boolean(),
        firstAt: time,
        lastAt: time,
        sample: letter.extend({ description: z.string() }),
      }),
    ),
    others: count.describe("how many groups there are besides"),
  }),
);
export const lettersPage = named(
  "DeadLettersPage",
  z.object({
    letters: list(letter),
    scanned: count.describe("how many letters were read for it"),
    next: z.string().optional().describe("give it as `after` for the next page, which a short page may have too"),
  }),
);
export const letterShown = named(
  "DeadLetterShown",
  z.object({
    letter,
    run,
    onBus: sought(message.pick({ state: true, stamps: true, bodyBytes: true })),
  }),
);

const otherLetter = named(
  "OtherDeadLetter",
  z.object({
    id: z.string().describe("that its run will have if it is redriven"),
    source,
    sequenceNumber: z.int(),
    enqueuedAt: time,
    messageId: z.string().optional(),
    subject: z.string().optional(),
    reason: z.string().optional().describe("as the bus or a program wrote it there"),
    description: z.string().optional(),
    module: z.string().describe("that takes it by today's files; empty if none does"),
    hindrance: z.enum(LETTER_HINDRANCES).optional().describe("why it can't be redriven; missing if it can"),
    problem: z.string().optional().describe("what is wrong with it for its module"),
  }),
);
export const otherLettersPage = named(
  "OtherDeadLettersPage",
  z.object({
    letters: list(otherLetter).describe("source by source, in the order in which they lie there"),
    scanned: count.describe("how many letters were peeked at for it, those of runs too"),
    next: z.string().optional().describe("give it as `after` for the next page, which a short page may have too"),
  }),
);
export const otherLetterShown = named(
  "OtherDeadLetterShown",
  z.object({ letter: otherLetter, onBus: message.pick({ state: true, stamps: true, bodyBytes: true }) }),
);

const module = named(
  "Module",
  z.looseObject({
    name: z.string(),
    file: z.string(),
    source,
    maxActive: count,
    limit: limit.optional(),
    isOtherForm: z
      .boolean()
      .optional()
      .describe("whether the replica that ticked last has read another form of its file; missing if none told"),
  }),
);
export const modules = named("Modules", z.object({ modules: list(module) }));

export const auditReport = named(
  "AuditReport",
  z.object({
    findings: list(byKind),
    looked: z.record(z.string(), count).describe("how many things of each phase were looked at"),
    tooYoung: list(z.object({ jobName: z.string(), judgedAt: time })).describe(
      "Jobs of which no row speaks, and that can't be judged before judgedAt",
    ),
    unfinished: list(z.object({ phase: z.string(), detail: z.string() })).describe(
      "the phases that were cut off, and why",
    ),
  }),
);

export const actionsPage = named(
  "ActionsPage",
  z.object({
    actions: list(action.extend({ id: z.string(), source: z.string().optional() })),
    next: z.string().optional().describe("give it as `after` for the next page"),
  }),
);

export const redrives = named("Redrives", z.object({ redrives: list(redrive) }));

const command = z.string().describe("the command that does the same");
const outcomes = list(
  z.looseObject({ name: z.string(), kind: z.enum(["done", "would", "already", "refused"]) }),
).describe("what became of each thing that was named");
export const acted = named("Acted", z.object({ command, answers: outcomes }));
export const redriven = named(
  "Redriven",
  z.object({
    command,
    plans: list(
      z.object({
        source,
        letters: count.describe("how many can be redriven"),
        left: counts.describe("how many can't, by what hinders them"),
        inFront: count,
        tooDeep: count,
      }),
    ),
    answers: outcomes.describe("what became of each source; empty after a dry run"),
  }),
);
export const purged = named(
  "Purged",
  z.object({
    command,
    before: time.describe("what failed by then is chosen; send it with the purge itself"),
    plan: z
      .object({
        chosen: count,
        onBus: count.optional(),
        inFront: count.optional(),
        tooDeep: count.optional(),
      })
      .describe("how many are chosen; the others only in a dry run"),
    done: z.object({ removed: count, gone: count, left: count }).optional().describe("missing after a dry run"),
  }),
);
