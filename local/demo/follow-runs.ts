import { setTimeout } from "node:timers/promises";
import type { RunTable } from "../../shared/ports/run-table.ts";
import type { ClosedRun, ClosedStatus, Run, RunKey } from "../../shared/run/run.ts";
import type { Sample } from "./samples.ts";

/** A sample that is on the bus. */
export interface SentSample {
  readonly sample: Sample;
  readonly messageId: string;
  readonly key: RunKey;
}

/** A sent sample, and what the table says about it by now. */
export interface Progress {
  readonly sent: SentSample;
  /** Undefined until the Dispatcher has accepted the message. */
  readonly run?: Run | ClosedRun;
}

const POLL_MS = 200;

/**
 * Reads each sample's row again and again until all runs are closed or `signal` aborts. Calls `onChange` whenever one
 * of them moved on. Resolves to the last state of each. A table that fails to answer is asked again. If it never
 * answers, the last such error is thrown.
 */
export async function followRuns(
  table: RunTable,
  sent: readonly SentSample[],
  signal: AbortSignal,
  onChange: (progress: readonly Progress[]) => void,
): Promise<readonly Progress[]> {
  let progress: readonly Progress[] = sent.map((one) => ({ sent: one }));
  let shown = "";
  let answered = false;
  for (;;) {
    try {
      progress = await Promise.all(progress.map((one) => look(table, one)));
      answered = true;
    } catch (error) {
      if (signal.aborted && !answered) throw error;
    }
    const marks = progress.map(({ run }) => `${run?.status}/${run?.attempt}/${run?.jobName}`).join();
    if (marks !== shown) onChange(progress);
    shown = marks;
    if (signal.aborted || progress.every(({ run }) => isClosed(run))) return progress;
    // An abort ends the wait, and the next round sees it.
    await setTimeout(POLL_MS, undefined, { signal }).catch(() => {});
  }
}

/** Whether a run is over. */
export function isClosed(run: Run | ClosedRun | undefined): run is ClosedRun {
  return run !== undefined && "closedAt" in run;
}

/** How many Jobs the run has had by now. */
export function attemptsOf(run: Run | ClosedRun | undefined): number {
  if (!run) return 0;
  // Between two attempts the row already counts the next one, which has no Job yet.
  return run.jobName === undefined || run.status === "requeueing" ? run.attempt - 1 : run.attempt;
}

/** What happened to a closed run's message, as the row says. */
export function outcomeOf(status: ClosedStatus): "completed" | "dead-lettered" | "lost" {
  if (status === "succeeded") return "completed";
  return status === "lost" ? "lost" : "dead-lettered";
}

async function look(table: RunTable, { sent, run }: Progress): Promise<Progress> {
  if (isClosed(run)) return { sent, run };
  const found = await table.find(sent.key);
  switch (found.kind) {
    case "none":
    case "newer":
      return { sent };
    case "open":
      return { sent, run: found.stored.run };
    case "closed":
      return { sent, run: found.run };
    default:
      return found satisfies never;
  }
}
