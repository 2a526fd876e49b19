import { expect } from "vitest";
import type { ClosedRun } from "../../shared/run/run.ts";
import type { FakeMessage } from "../support/fake-entity.ts";
import type { JobEnd, Model } from "./dispatcher-model.ts";

/** The retry policy of the one module. */
export const RETRY = {
  maxAttempts: 2,
  maxInterruptions: 1,
  backoff: { firstMs: 1_000, maxMs: 4_000 },
  permanentExitCodes: [64],
};

/** So many messages whose Jobs can't start trip their module. */
const MESSAGES_TO_TRIP = 3;

/** The attempts that may have been free, because their Job could not start and may have tripped the module. */
export function freeAttempts({ jobs, refused }: Model, sequenceNumber: number): ReadonlySet<number> {
  const stuck = [...jobs.values()].filter((job) => job.stuck === true);
  const messages = new Set([...refused.keys(), ...stuck.map(({ message }) => message)]);
  if (messages.size < MESSAGES_TO_TRIP) return new Set();
  const own = stuck.filter(({ message }) => message === sequenceNumber).map(({ attempt }) => attempt);
  return new Set([...own, ...(refused.get(sequenceNumber) ?? [])]);
}

/** What a run's attempts have cost it. */
interface Charged {
  readonly failures: number;
  readonly interruptions: number;
}
const NOTHING: Charged = { failures: 0, interruptions: 0 };

interface Outcome extends Charged {
  readonly outcome: string;
  readonly status: ClosedRun["status"];
  readonly attempt: number;
}

export type AttemptEnd = JobEnd | "refused" | undefined;

/**
 * The outcomes that are right for a run. They follow from the ends of its attempts, by the rules of the module. There
 * is more than one if an attempt may or may not have been free, or if two replicas started it and one was refused.
 */
export function expectedOutcomes(model: Model, { subject, sequenceNumber }: FakeMessage): Outcome[] {
  if (subject !== "mine") return [{ outcome: "DispatchRejected", status: "rejected", attempt: 1, ...NOTHING }];
  const free = freeAttempts(model, sequenceNumber);
  let going: readonly Charged[] = [NOTHING];
  let over: Outcome[] = [];
  for (const [index, { attempt, ends }] of attemptsOf(model, sequenceNumber).entries()) {
    expect(attempt, "attempts are numbered without gaps").toBe(index + 1);
    expect(going, "no attempt after the last").not.toEqual([]);
    const before = going;
    going = [];
    over = [];
    for (const end of ends) {
      if (free.has(attempt) && (end === "stuck" || end === "refused")) going = [...going, ...before];
      for (const charged of before.map((counts) => charge(counts, end))) {
        const outcome = outcomeAfter(end, charged);
        if (outcome === undefined) going = [...going, charged];
        else over.push({ outcome, status: outcome === "completed" ? "succeeded" : "failed", attempt, ...charged });
      }
    }
  }
  return over;
}

/** The attempts of a message, with the ways in which each ended or may have ended. */
export function attemptsOf({ jobs, refused }: Model, sequenceNumber: number) {
  const attempts = new Map<number, AttemptEnd[]>();
  for (const attempt of refused.get(sequenceNumber) ?? []) attempts.set(attempt, ["refused"]);
  for (const { message, attempt, end, held } of jobs.values()) {
    const ends = end === "interruption" && held === true ? [end, "unstarted" as const] : [end];
    if (message === sequenceNumber) attempts.set(attempt, [...(attempts.get(attempt) ?? []), ...ends]);
  }
  return [...attempts].map(([attempt, ends]) => ({ attempt, ends })).toSorted((a, b) => a.attempt - b.attempt);
}

function charge({ failures, interruptions }: Charged, end: AttemptEnd): Charged {
  if (end === "success" || end === "unstarted") return { failures, interruptions };
  return end === "interruption"
    ? { failures, interruptions: interruptions + 1 }
    : { failures: failures + 1, interruptions };
}

function outcomeAfter(end: AttemptEnd, charged: Charged): string | undefined {
  if (end === "success") return "completed";
  if (end === "unstarted") return undefined;
  if (end === "refused") return "JobNotStarted";
  if (end === "interruption") return charged.interruptions > RETRY.maxInterruptions ? "InterruptedTooOften" : undefined;
  if (end !== "permanent" && charged.failures < RETRY.maxAttempts) return undefined;
  if (end === "timed out") return "JobTimedOut";
  return end === "stuck" ? "JobNotStarted" : "JobFailed";
}
