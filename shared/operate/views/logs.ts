import { setTimeout as sleep } from "node:timers/promises";
import type { LookDependencies } from "../../dependencies.ts";
import { UnavailableError } from "../../errors.ts";
import { startedContainers } from "../../jobs/pod-containers.ts";
import type { ClosedRun, Run, RunKey } from "../../run/run.ts";
import { MAX_LOG_BYTES } from "../../settle/retire-job.ts";
import { isOpen, jobNameAt, shownAttempt } from "./attempts.ts";

/** The log of an attempt. */
export interface AttemptLog {
  readonly run: Run | ClosedRun;
  /** 0 if no attempt has begun. */
  readonly attempt: number;
  /** Where it was read: from the pod while it is there, or from what was kept of it. */
  readonly from: "pod" | "store" | "nowhere";
  /** In the order in which they start. Empty containers are left out. */
  readonly containers: readonly ContainerLog[];
}

/** The last part of a container's log, at most 1 MiB: as UTF-8, however it was meant. It is the worker's own text. */
interface ContainerLog {
  readonly container: string;
  readonly text: string;
  /** Whether there may be more in front of it. */
  readonly isCut: boolean;
}

/**
 * Reads the log of a run's current or last attempt, or of the one that is named. Undefined if there is no such run, and
 * `newer` if a newer release wrote its row. Costs one to three requests to the table, one for the pods and one for each
 * container's log; if no pod is left, one to list what was kept, and one for each kept log. What was kept is shown as well
 * if the cluster is away, or shows its pods to others alone. Rejects with an UnavailableError if one of them is away.
 */
export async function readLogs(
  deps: LookDependencies,
  key: RunKey,
  attempt?: number,
): Promise<AttemptLog | "newer" | undefined> {
  const found = await deps.table.find(key);
  if (found.kind === "none") return undefined;
  if (found.kind === "newer") return "newer";
  const run = found.kind === "open" ? found.stored.run : found.run;
  const which = attempt ?? shownAttempt(run);
  if (which === 0) return { run, attempt: 0, from: "nowhere", containers: [] };
  const fromPod = await podLogs(deps, jobNameAt(deps, run, which)).catch(unavailable);
  if (Array.isArray(fromPod) && fromPod.length > 0) return { run, attempt: which, from: "pod", containers: fromPod };
  const kept = await deps.payloads.keptLogs(run, which, MAX_LOG_BYTES);
  const containers = kept.map(({ container, log, isCut }) => ({
    container,
    text: textOf(log),
    isCut: isCut || log.byteLength >= MAX_LOG_BYTES,
  }));
  if (containers.length > 0) return { run, attempt: which, from: "store", containers };
  if (fromPod instanceof UnavailableError) throw fromPod;
  return { run, attempt: which, from: "nowhere", containers };
}

/** Gives an UnavailableError itself. Throws all others. */
function unavailable(error: unknown): UnavailableError {
  if (error instanceof UnavailableError) return error;
  throw error;
}

/** Reads the logs of a Job's newest pod. */
async function podLogs({ cluster }: LookDependencies, jobName: string): Promise<ContainerLog[]> {
  const pod = (await cluster.pods(jobName)).at(-1);
  if (!pod) return [];
  const found: ContainerLog[] = [];
  for (const container of startedContainers(pod)) {
    const log = await cluster.log(pod.metadata?.name ?? "", container, MAX_LOG_BYTES);
    if (log && log.byteLength > 0) found.push({ container, text: textOf(log), isCut: log.byteLength >= MAX_LOG_BYTES });
  }
  return found;
}

function textOf(log: Uint8Array): string {
  return Buffer.from(log.buffer, log.byteOffset, log.byteLength).toString("utf8");
}

/** A part of a container's log that came since the last one. */
export interface LogPart {
  readonly attempt: number;
  readonly container: string;
  readonly text: string;
}

/** A log that is followed is read so often. */
const FOLLOW_EVERY_MS = 2_000;

/**
 * Follows the log of a run: first all of its current attempt, then what is new every two seconds, attempt by attempt,
 * until the run is closed or `signal` aborts. Each round costs what `readLogs` costs. If a container writes more than 1
 * MiB between two rounds, what was in between is missing. Ends at once if there is no such run.
 */
export async function* followLogs(
  deps: LookDependencies,
  key: RunKey,
  { signal, everyMs = FOLLOW_EVERY_MS }: { readonly signal: AbortSignal; readonly everyMs?: number },
): AsyncGenerator<LogPart> {
  const told = new Map<string, string>();
  while (!signal.aborted) {
    const log = await readLogs(deps, key);
    if (log === undefined || log === "newer") return;
    const { run, attempt } = log;
    for (const { container, text } of log.containers) {
      const name = `${attempt}/${container}`;
      const part = newPart(told.get(name) ?? "", text);
      told.set(name, text);
      if (part !== "") yield { attempt, container, text: part };
    }
    if (!isOpen(run)) return;
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
}

/** So much of the end of what was told is looked for in what is read next. */
const OVERLAP = 4_096;

/** Gives what a log says beyond what it said before. Both may be only the last part of the whole. */
export function newPart(before: string, now: string): string {
  if (now.startsWith(before)) return now.slice(before.length);
  const end = before.slice(-OVERLAP);
  const at = now.lastIndexOf(end);
  return at < 0 ? now : now.slice(at + end.length);
}
