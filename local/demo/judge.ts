import { sourceName } from "../../shared/run/source.ts";
import type { Holdings } from "./bus.ts";
import { attemptsOf, isClosed, outcomeOf, type Progress } from "./follow-runs.ts";

/** How one sample ended, according to the table and the bus. */
export interface Result {
  readonly title: string;
  readonly messageId: string;
  readonly sequenceNumber: number;
  readonly source: string;
  readonly module: string | null;
  readonly outcome: "completed" | "dead-lettered" | "lost" | "open";
  readonly reason: string | null;
  /** The dead letter's description. Empty if the message is no dead letter. */
  readonly description: string;
  readonly attempts: number;
  readonly jobs: readonly string[];
  readonly seconds: number;
  /** A sentence for each thing that differs from what the sample expects. */
  readonly problems: readonly string[];
}

/**
 * Compares one sample's end with what the sample expects, and its row with what the bus holds. A message that is
 * neither dead-lettered nor still there was completed only if its row says so too. Otherwise it is lost.
 */
export function judge(progress: Progress, jobs: readonly string[], holdings: Holdings): Result {
  const { sent, run } = progress;
  const { sample, key } = sent;
  const letter = holdings.deadLetters.get(sample);
  const remains = holdings.remaining.has(sample);
  const outcome = outcomeOnBus(progress, letter !== undefined, remains);
  const found = {
    outcome,
    reason: letter?.reason ?? null,
    module: run?.module || null,
    attempts: attemptsOf(run),
    jobs: jobs.length,
  };
  const wanted = {
    outcome: sample.expect.outcome,
    reason: sample.expect.reason ?? null,
    module: sample.expect.module ?? null,
    attempts: sample.expect.attempts,
    jobs: sample.expect.attempts,
  };
  const problems = differences(found, wanted);
  if (isClosed(run) && outcomeOf(run.status) !== outcome)
    problems.push(`its row says ${run.status}, but on the bus it is ${outcome}`);
  if (letter && remains) problems.push("it is both dead-lettered and still in its entity");
  const endedAt = isClosed(run) ? run.closedAt : Date.now();
  return {
    ...found,
    title: sample.title,
    messageId: sent.messageId,
    sequenceNumber: key.sequenceNumber,
    source: sourceName(key.source),
    description: letter?.description ?? "",
    jobs,
    seconds: Math.round((endedAt - key.enqueuedAt) / 100) / 10,
    problems,
  };
}

function outcomeOnBus({ run }: Progress, isDeadLettered: boolean, remains: boolean): Result["outcome"] {
  if (isDeadLettered) return "dead-lettered";
  if (remains) return "open";
  return isClosed(run) && run.status === "succeeded" ? "completed" : "lost";
}

function differences<T extends Record<string, string | number | null>>(found: T, wanted: T): string[] {
  return Object.keys(wanted)
    .filter((name) => found[name] !== wanted[name])
    .map((name) => `${name} is ${shown(found[name])}, but ${shown(wanted[name])} was expected`);
}

function shown(value: string | number | null | undefined): string {
  return value === null ? "none" : String(value);
}
