import { z } from "zod";
import { PLACES } from "../ports/run-table.ts";
import { LETTER_HINDRANCES } from "../run/redrive.ts";
import { CLOSED_STATUSES, OPEN_STATUSES } from "../run/run.ts";
import {
  action,
  actionsOn,
  byCause,
  byDeed,
  byKind,
  byPhase,
  count,
  counted,
  counts,
  length,
  limit,
  list,
  moduleName,
  named,
  reason,
  redrive,
  redrivenAs,
  run,
  sought,
  source,
  spread,
  time,
} from "./answer-parts.ts";
import { ROLES } from "./caller.ts";

// What the API answers. The compiler holds each answer against the view that gives it, and a test holds what the routes
// really answer against these. Where the rules of a room decide what is said (a decision, a finding), only the word that
// tells the kind is described.

export const session = named(
  "Session",
  z.object({
    instance: z.string(),
    namespace: z.string(),
    place: z.string().describe("where this Dispatcher is, in words"),
    target: z.string().describe("the flags that a command needs to be about it, each after a space"),
    version: z.string(),
    role: z.enum(ROLES),
    mayChange: z.boolean().describe("whether actions are taken here"),
  }),
);

const moduleStatus = named(
  "ModuleStatus",
  z.object({
    module: moduleName,
    source: source.optional(),
    slots: count.optional(),
    maxActive: count.optional().describe("slots by its file, whatever a person said"),
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

export const lastLines = named("LastLines", z.object({ lines: z.record(z.string(), z.string()) }));

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
          limit: limit.optional(),
          estimate: z
            .object({
              ms: length.optional(),
              leastMs: length.optional(),
              isMore: z.boolean(),
              closed: count,
              since: time,
              jobs: count
                .optional()
                .describe("by the ages of so many Jobs at work; without it, by the pace of the ends"),
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
        redrive: count.optional().describe("how often its dead letter was redriven until then"),
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
