import type { EpochMs } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import { EntityMissingError } from "../errors.ts";
import { gateOf } from "../judge/gate-of.ts";
import { type Gates, makeGates } from "../judge/gates.ts";
import { isJobAbsent, isMassAbsence, mayHaveJob, withoutMovedOn } from "../observe/absence.ts";
import { type ClusterView, jobNameOf, phaseOf, viewCluster } from "../observe/cluster-view.ts";
import { lookAtJob } from "../observe/look-at-job.ts";
import { readOpenRuns, type SourceRuns } from "../observe/open-runs.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { type ClusterRecord, holdOf } from "../run/cluster-record.ts";
import { gateName } from "../run/gate-state.ts";
import { runId } from "../run/run.ts";
import { type Source, sourceName } from "../run/source.ts";
import type { HoldReason } from "../run/source-hold.ts";
import { wasHeld } from "../run/stamp.ts";
import { type RowlessMessage, rowlessMessages } from "./rowless-messages.ts";

/** Something that only an operator may decide. */
export type AuditFinding =
  /**
   * A deferred message without a row that the sweep leaves alone: another instance deferred it, or no module takes it.
   */
  | ({ readonly kind: "orphan message" } & RowlessMessage)
  /** A Job past the time limit of its pod and still not over. */
  | { readonly kind: "overdue Job"; readonly runId: string; readonly jobName: string; readonly overdueMs: number }
  /** The namespace that is seen, by its uid, is not the one in which so many Jobs are at work. */
  | { readonly kind: "another cluster"; readonly record: ClusterRecord; readonly uid: string; readonly atWork: number }
  /** So many messages were rejected that others are held. `mayBeMore`: only so many of the held ones were counted. */
  | {
      readonly kind: "shut gate";
      readonly gate: string;
      readonly problem: string;
      readonly held: number;
      readonly mayBeMore: boolean;
    }
  /** So many Jobs are absent that the ticks believe none of it. */
  | { readonly kind: "mass absence"; readonly absent: number }
  /** The runs of a source are held, because its entity or its messages are missing. */
  | { readonly kind: "source held"; readonly source: string; readonly because: HoldReason; readonly since: EpochMs };

/** So many held runs of a gate are counted at most. */
const MOST_COUNTED = 1_000;

/** Looks through rows, Jobs and messages for what only an operator may decide. Changes nothing. */
export async function audit(deps: Dependencies): Promise<AuditFinding[]> {
  const all = await readOpenRuns(deps, (source) => deps.table.atWork(source));
  const view = await viewCluster(deps);
  return [...(await lookAtCluster(deps, all, view)), ...(await lookAtSources(deps, all))];
}

async function lookAtCluster(
  deps: Dependencies,
  all: readonly SourceRuns[],
  view: ClusterView,
): Promise<AuditFinding[]> {
  const runs = all.flatMap((read) => read.atWork);
  const atWork = runs.filter(({ run }) => mayHaveJob(run));
  const record = (await deps.instanceTable.cluster())?.record;
  const uid = await deps.cluster.namespaceUid();
  if (record && uid !== undefined && holdOf(record, uid) === "another cluster")
    return atWork.length === 0 ? [] : [{ kind: "another cluster", record, uid, atWork: atWork.length }];
  const overdue: AuditFinding[] = [];
  for (const stored of atWork) overdue.push(...(await overdueJob(deps, stored, view)));
  const counted = await withoutMovedOn(deps, runs, view);
  if (!isMassAbsence(counted, view, record?.doubtedSince)) return overdue;
  return [{ kind: "mass absence", absent: counted.filter(({ run }) => isJobAbsent(run, view)).length }, ...overdue];
}

async function overdueJob(deps: Dependencies, stored: StoredRun, view: ClusterView): Promise<AuditFinding[]> {
  const jobName = jobNameOf(stored.run, deps.instance);
  const overdueMs = await overdueBy(deps, stored, jobName, view);
  return overdueMs > 0 ? [{ kind: "overdue Job", runId: runId(stored.run), jobName, overdueMs }] : [];
}

async function lookAtSources(deps: Dependencies, all: readonly SourceRuns[]): Promise<AuditFinding[]> {
  const held = (await deps.instanceTable.heldSources()).filter(({ hold }) => hold.acceptedAt === undefined);
  const found = held.map(({ source, hold }): AuditFinding => {
    return { kind: "source held", source: sourceName(source), because: hold.because, since: hold.since };
  });
  const owner = await deps.instanceTable.owner();
  const gates = makeGates(deps);
  await gates.refresh();
  for (const { source } of all) {
    found.push(...(await shutGates(deps, source, gates)));
    for (const orphan of await rowlessUnlessMissing(deps, source)) {
      // The sweep takes on what is this instance's own.
      const isForNone = orphan.module === undefined && !wasHeld(orphan.message);
      if (orphan.owner !== owner || isForNone) found.push({ kind: "orphan message", ...orphan });
    }
  }
  return found;
}

/** Says by how many ms a run's Job is past the time limit of its pod; 0 or less if it is not. Only a look tells. */
async function overdueBy(deps: Dependencies, stored: StoredRun, jobName: string, view: ClusterView): Promise<number> {
  const { run } = stored;
  const now = deps.clock.now();
  if (run.status !== "dispatched" || run.jobOverdueAt === undefined || now <= run.jobOverdueAt) return 0;
  const listed = phaseOf(run, jobName, view, { module: deps.modules.get(run.module), now });
  if (listed.phase !== "running" && listed.phase !== "terminating") return 0;
  const { job } = (await lookAtJob(deps, stored, jobName)) ?? {};
  return job && "limitAt" in job && job.limitAt !== undefined ? now - job.limitAt : 0;
}

/** An entity that is missing has no messages. The next tick holds its source. */
async function rowlessUnlessMissing(deps: Dependencies, source: Source): Promise<RowlessMessage[]> {
  try {
    return await rowlessMessages(deps, source);
  } catch (error) {
    if (error instanceof EntityMissingError) return [];
    throw error;
  }
}

/** Finds the shut gates at which runs of a source are held. */
async function shutGates(deps: Dependencies, source: Source, gates: Gates): Promise<AuditFinding[]> {
  const found: AuditFinding[] = [];
  for (const { run } of await deps.table.heldHeads(source)) {
    const scope = gateOf(deps.modules, run);
    const state = scope && gates.shut(scope);
    if (!state) continue;
    const runs = await deps.table.held(source, run.module, MOST_COUNTED);
    const mayBeMore = runs.length === MOST_COUNTED;
    found.push({ kind: "shut gate", gate: gateName(scope), problem: state.problem, held: runs.length, mayBeMore });
  }
  return found;
}
