import type { Seed } from "../../local/table-server/start-table-server.ts";
import { actionSteps } from "../../shared/adapters/tables/action-rows.ts";
import { deadLetterRow } from "../../shared/adapters/tables/dead-rows.ts";
import { instancePartition, runRow, sourcePartition } from "../../shared/adapters/tables/keys.ts";
import { writeClosedRun } from "../../shared/adapters/tables/run-entity.ts";
import { searchRows } from "../../shared/adapters/tables/search-rows.ts";
import type { EpochMs } from "../../shared/clock.ts";
import { jobName } from "../../shared/jobs/job-name.ts";
import type { Module } from "../../shared/modules/module.ts";
import { closed, concluded, dispatched } from "../../shared/run/change-run.ts";
import { notedLetter } from "../../shared/run/dead-letter.ts";
import { describeEnd } from "../../shared/run/describe-end.ts";
import type { ClosedRun, Verdict } from "../../shared/run/run.ts";
import { INSTANCE, runOf } from "../sample-run.ts";
import { seedsOf } from "./seed.ts";

const DAY_MS = 24 * 3_600_000;
/** The messages of the history came evenly over so many days. */
const DAYS = 5;
/** How long each run took. */
const RUN_MS = 40_000;
/** The sequence number before the first of the history. Those of open runs are smaller, and no two may be the same. */
const NUMBERED_FROM = 1_000_000;
/** One of so many runs left a dead letter. */
const ONE_DEAD_OF = 20;
/** So many actions of persons are in the log of the source, and as many in that of the instance. */
const ACTIONS = 1_000;

/** What dead letters failed with, and how many of ten. Each is a failure group. */
const FAILURES = [
  { ofTen: 7, exitCode: 1, end: "exit code 1: no space left on device: /tmp/part-" },
  { ofTen: 2, exitCode: 2, end: "exit code 2: unknown image format in " },
  { ofTen: 1, exitCode: 137, end: "exit code 137: out of memory at " },
] as const;

/** What a module's history holds. */
interface History {
  /** How many runs are closed. One of twenty left a dead letter. */
  readonly closed: number;
  readonly now: EpochMs;
}

/** Names the message of the run of the history that has this place, from 1 on. */
export function closedMessageId(place: number): string {
  return `closed-${place}`;
}

/** Makes the rows that the app keeps of closed runs, and those of what persons did, as the app writes them. */
export function* historyRows(module: Module, { closed: count, now }: History): Iterable<Seed> {
  const partitionKey = sourcePartition(INSTANCE, module.source);
  for (let place = 1; place <= count; place += 1) {
    const enqueuedAt = Math.round(now - DAYS * DAY_MS + ((place - 1) / count) * (DAYS * DAY_MS - RUN_MS));
    const run = closedRun(module, place, enqueuedAt);
    const { closedAt: _, status: __, ...open } = run;
    const search = searchRows({ ...open, status: "settling" }, partitionKey);
    const dead = deadLetterRow(notedLetter(run), partitionKey);
    yield {
      partitionKey,
      rowKey: runRow(run),
      columns: { ...writeClosedRun(run), ...search.columns, ...dead.columns },
    };
    yield* seedsOf([...search.steps, ...dead.steps]);
  }
  if (count === 0) return;
  for (let made = 0; made < ACTIONS; made += 1) {
    const at = now - made * RUN_MS;
    const who = "operator@desk";
    const ofModule = { at, who, why: "the disk is full", what: "limit", subject: module.name, facts: { slots: 3 } };
    yield* seedsOf(actionSteps(instancePartition(INSTANCE), ofModule));
    yield* seedsOf(actionSteps(partitionKey, { at, who, what: "cancel", subject: closedMessageId(made), facts: {} }));
  }
}

function closedRun(module: Module, place: number, enqueuedAt: EpochMs): ClosedRun {
  const message = { sequenceNumber: NUMBERED_FROM + place, enqueuedAt, messageId: closedMessageId(place) };
  const fresh = { ...runOf(module, message), acceptedAt: enqueuedAt };
  const name = jobName({ module: module.name, instance: INSTANCE, key: fresh, attempt: 1 });
  const run = dispatched(fresh, { name, uid: `uid-${place}` }, enqueuedAt, RUN_MS);
  const failure = place % ONE_DEAD_OF === 0 ? failureAt((place / ONE_DEAD_OF) % 10) : undefined;
  const failures = failure ? 1 : 0;
  const verdict = failure
    ? failedWith(failure, describeEnd(run, endOf(failure, place), { failures, interruptions: 0, maxAttempts: 1 }))
    : ({ outcome: "succeeded" } as const);
  const settling = concluded(run, verdict, { failures, interruptions: 0 }, enqueuedAt + RUN_MS);
  return closed(settling, verdict, enqueuedAt + RUN_MS);
}

type Failure = (typeof FAILURES)[number];

function failureAt(digit: number): Failure {
  let below = 0;
  return FAILURES.find(({ ofTen }) => digit < (below += ofTen)) ?? FAILURES[0];
}

function endOf({ exitCode, end }: Failure, place: number) {
  return { reason: "JobFailed", kind: "failure", permanent: false, detail: `${end}${place}`, exitCode } as const;
}

function failedWith({ exitCode }: Failure, description: string): Verdict {
  return { outcome: "failed", reason: "JobFailed", description, exitCode };
}
