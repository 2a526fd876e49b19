import type { EpochMs } from "../../clock.ts";
import { MAX_TICK_AGE_MS } from "../../health.ts";
import type { ClusterHold } from "../../run/cluster-record.ts";
import { gateName } from "../../run/gate-state.ts";
import type { Source } from "../../run/source.ts";
import type { HoldReason } from "../../run/source-hold.ts";
import type { InstanceState } from "./instance-state.ts";
import type { ModuleStatus } from "./status.ts";

/** Something that keeps messages from their work, and that a person should look at. */
export type Problem =
  /** No tick came to its end for five minutes, or ever: nothing is retried or settled. */
  | { readonly kind: "no tick"; readonly lastAt: EpochMs | undefined }
  | { readonly kind: "cluster unavailable"; readonly detail: string }
  | { readonly kind: "cluster held"; readonly because: ClusterHold; readonly since?: EpochMs }
  | { readonly kind: "source held"; readonly source: Source; readonly because: HoldReason; readonly since: EpochMs }
  | { readonly kind: "gate shut"; readonly gate: string; readonly since: EpochMs; readonly problem: string }
  /** `isFileWrong`: whether it may be tripped no more, because nothing tells which template it has now. */
  | {
      readonly kind: "module tripped";
      readonly module: string;
      readonly since: EpochMs;
      readonly why: string;
      readonly isFileWrong?: true;
    }
  /** Runs of a module wait whose file is gone. */
  | { readonly kind: "module removed"; readonly module: string; readonly source: Source | undefined }
  /** Runs of a module are open whose file is wrong. A running Dispatcher goes on with what it read before. */
  | { readonly kind: "file wrong"; readonly module: string; readonly mistakes: readonly string[] }
  /** What ticks count, and should be 0. `at`: when they last did. */
  | {
      readonly kind: "overdue" | "undelivered" | "not started" | "failed" | "postponed";
      readonly count: number;
      readonly at: EpochMs;
    }
  /** So many deferred messages and Jobs belong to no run. `jobs`: how many are Jobs, if the release that ticks says so. */
  | { readonly kind: "orphans"; readonly count: number; readonly jobs?: number; readonly at: EpochMs };

/** Lists what is wrong: of the instance as a whole, of its modules, and what the last tick counted. */
export function problemsIn(instance: InstanceState, modules: readonly ModuleStatus[], now: EpochMs): Problem[] {
  const told = new Set(instance.shutGates.map(({ scope }) => gateName(scope)));
  return [
    ...instanceProblems(instance, now),
    ...modules.flatMap((module) => [...moduleProblems(module, told)]),
    ...tickProblems(instance),
  ];
}

function* instanceProblems(instance: InstanceState, now: EpochMs): Generator<Problem> {
  const { tick, clusterHold, record, heldSources, shutGates } = instance;
  if (tick === undefined || now - tick.at > MAX_TICK_AGE_MS) yield { kind: "no tick", lastAt: tick?.at };
  if ("unavailable" in clusterHold) yield { kind: "cluster unavailable", detail: clusterHold.unavailable };
  else if (clusterHold.found !== null) {
    const since = {
      "another cluster": undefined,
      "cluster changes": record?.next?.since,
      "jobs missing": record?.doubtedSince,
    };
    const known = since[clusterHold.found];
    yield { kind: "cluster held", because: clusterHold.found, ...(known === undefined ? {} : { since: known }) };
  }
  for (const { source, hold } of heldSources)
    yield { kind: "source held", source, because: hold.because, since: hold.since };
  for (const { scope, since, problem } of shutGates) yield { kind: "gate shut", gate: gateName(scope), since, problem };
}

/** `toldGates`: the names of the gates that were told of already. */
function* moduleProblems(status: ModuleStatus, toldGates: ReadonlySet<string>): Generator<Problem> {
  const { module, source, slots, fileMistakes, trip, gate, inLine, later, held, atWork } = status;
  const isFileWrong = fileMistakes.length > 0;
  if (gate && !toldGates.has(gate.name))
    yield { kind: "gate shut", gate: gate.name, since: gate.since, problem: gate.problem };
  if (trip)
    yield { kind: "module tripped", module, since: trip.since, why: trip.why, ...(isFileWrong ? { isFileWrong } : {}) };
  const isOpen = inLine.count + later.count > 0 || Object.keys(atWork?.byStatus ?? {}).length > 0;
  if (isFileWrong) {
    if (isOpen || held.count > 0) yield { kind: "file wrong", module, mistakes: fileMistakes };
  } else if (slots === undefined && module !== "" && isOpen) yield { kind: "module removed", module, source };
}

/** What the last tick counted that should be 0. */
function tickProblems({ tick }: InstanceState): Problem[] {
  if (!tick?.counts) return [];
  const { at, counts } = tick;
  const { overdue = 0, orphans = 0, orphanJobs: jobs, undelivered = 0, at: seenAt = at } = counts.seen ?? {};
  const all = [
    { kind: "overdue", count: overdue, at: seenAt },
    { kind: "orphans", count: orphans, ...(jobs === undefined ? {} : { jobs }), at: seenAt },
    { kind: "undelivered", count: undelivered, at: seenAt },
    { kind: "not started", count: counts.notStarted, at },
    { kind: "failed", count: counts.failed, at },
    { kind: "postponed", count: counts.postponed, at },
  ] as const;
  return all.filter(({ count }) => count > 0);
}
