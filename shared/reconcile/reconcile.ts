import type { EpochMs } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import { errorText, UnavailableError } from "../errors.ts";
import { makeCloseLostRuns } from "../holds/close-lost-runs.ts";
import type { ClusterGuard } from "../holds/cluster-guard.ts";
import type { SourceHolds } from "../holds/source-holds.ts";
import { makeHousekeeping } from "../housekeeping/housekeeping.ts";
import type { Gates } from "../judge/gates.ts";
import type { Fields, Log } from "../log.ts";
import { type ClusterView, type ListVersions, viewCluster, viewUnlisted } from "../observe/cluster-view.ts";
import type { JobOwners } from "../observe/job-owners.ts";
import { hasRuns, type ReadBefore, readBefore, readOpenRuns, type SourceRuns } from "../observe/open-runs.ts";
import { once } from "../once.ts";
import { inLineSince } from "../run/run.ts";
import { countAtWork, type Sightings } from "../run/tick-counts.ts";
import type { Admission } from "../start/admission.ts";
import { makeTellBackedUp } from "../start/backed-up.ts";
import type { Breakers } from "../start/breakers.ts";
import { makeHoldOnStart } from "../start/hold-on-start.ts";
import type { Limits } from "../start/limits.ts";
import { makeTellLimits } from "../start/tell-limits.ts";
import { countEvents } from "../telemetry/event-counts.ts";
import { makeEvents } from "../telemetry/events.ts";
import type { RecentEndsCount } from "../telemetry/recent-ends.ts";
import { advanceAll, advanceFound, leaveAll, sharesOf, type Tick } from "./advance-all.ts";
import { makeTakeHeld } from "./held.ts";
import { makeHints } from "./hints.ts";
import type { InHand } from "./in-hand.ts";
import { makeTakeProbes } from "./turns.ts";
import { makeFollowUnspoken } from "./unspoken-jobs.ts";

/** How a tick looks at the cluster. */
interface TickKind {
  /** Whether it may do without lists, because a watch tells of the Jobs that end. */
  readonly isLight: boolean;
  /** Called with the versions of the lists as soon as the tick has them. */
  readonly onListed?: (versions: ListVersions) => void;
}

/** Takes all runs further by one step or more. Resolves to whether this replica is to go on ticking. */
export type Reconcile = (log: Log, kind?: TickKind) => Promise<boolean>;

/**
 * Makes the tick: it reads the rows of what is at work and of what may start, then the Jobs, decides for each run, and
 * acts. Two ticks at once are harmless, because every write is conditional and only one settlement of a message
 * succeeds. One run's failure never stops the next. A tick resolves to whether this replica is to go on ticking: one
 * that sees another cluster, or whose tick comes to nothing, is not.
 *
 * A light tick lists no Jobs: it starts what waits, and goes on with all that needs no look at a Job. Of the sources, and
 * whether any run is held, it believes what the last tick that listed has read, which is no minute ago. A sweep that
 * finds nothing it leaves to the next one. If the cluster is held, it lists all the same. If no run is open, it has
 * nothing to do: what was held, tripped or another cluster then matters to the next message alone, and its trigger asks.
 */
export function makeReconcile(
  deps: Dependencies,
  admission: Admission,
  breakers: Breakers,
  limits: Limits,
  gates: Gates,
  holds: { readonly cluster: ClusterGuard; readonly sources: Pick<SourceHolds, "look"> },
  inHand: InHand,
  owners: JobOwners,
  ends: RecentEndsCount,
): Reconcile {
  const housekeeping = makeHousekeeping(deps, limits);
  const followUnspoken = makeFollowUnspoken(deps);
  const takeProbes = makeTakeProbes(deps, breakers, admission);
  const tellBackedUp = makeTellBackedUp(deps, admission);
  const tellLimits = makeTellLimits(deps, limits);
  const holdOnStart = makeHoldOnStart(holds.cluster, limits);
  const takeHeld = makeTakeHeld(deps, gates);
  const closeLostRuns = makeCloseLostRuns(deps);
  // This is a hint, not state: the runs that the last tick had no time for come first in this one.
  let postponed: ReadonlySet<string> = new Set();
  // So are these: what the last ticks have read of the sources.
  let before: ReadBefore | undefined;
  const hints = makeHints();
  // And this: what the last tick that listed has found, and whether the tick's row says that nothing is open.
  let seen: Sightings | undefined;
  let isIdleNoted = false;
  const monotonicMs = () => deps.clock.read().monotonicMs;

  async function listed(onListed: TickKind["onListed"], log: Log): Promise<ClusterView> {
    const view = await viewCluster(deps);
    onListed?.(view.versions);
    warnOfUnknownStatuses(view, log);
    return view;
  }

  return async function reconcile(log, { isLight, onListed } = { isLight: false }) {
    const startedAt = monotonicMs();
    const counts = countEvents();
    const events = makeEvents(log, [counts.read, owners.note, ends.read]);
    let all: readonly SourceRuns[] = [];
    const line = (): Fields => ({
      ...openFields(all, deps.clock.now()),
      ...counts.fields(),
      ms: Math.round(monotonicMs() - startedAt),
    });
    /** Notes that the tick came to its end, with what it counted. */
    const record = async () => {
      const runs = all.flatMap(({ atWork }) => atWork.map(({ run }) => run));
      const now = deps.clock.now();
      const { waiting: left, notStarted, failed, postponed } = counts.fields();
      const found = { left, notStarted, failed, postponed, ...(seen === undefined ? {} : { seen }) };
      const files = Object.fromEntries([...deps.modules.values()].map(({ name, fileDigest }) => [name, fileDigest]));
      await deps.instanceTable.recordTick(now, { atWork: countAtWork(runs, now), files, ...found });
      await ends.note();
      isIdleNoted = !all.some(hasRuns);
    };
    try {
      let isListed = !isLight;
      // guard: rows-before-jobs, rows
      all = await readOpenRuns(deps, (source) => admission.countAtWork(source), isLight ? before : undefined);
      before = readBefore(all);
      owners.keep(all.flatMap(({ atWork }) => atWork));
      tellBackedUp(events);
      if (isLight) {
        if (!all.some(hasRuns) && !housekeeping.isBehind()) {
          admission.lookAtLinesAgain();
          // Or else the row would speak of runs at work that have ended, for up to a minute.
          if (!isIdleNoted) await record();
          log.info("reconciled", line());
          return true;
        }
        // If there is a hold, the look at the lists tells of it.
        const silent = { ...events, tell: () => {} };
        isListed = (await holds.cluster.holdOnStarts(silent)) !== undefined;
      }
      await Promise.all([
        breakers.refresh(),
        limits.refresh(),
        ...(isLight && !before.anyHeld ? [] : [gates.refresh()]),
      ]);
      tellLimits(events);
      // guard: rows-before-jobs, jobs
      const view = isListed ? await listed(onListed, log) : await viewUnlisted(deps, all);
      const atWork = all.flatMap((read) => read.atWork);
      const hold = isListed ? await holds.cluster.look(atWork, view, events) : undefined;
      if (hold === "another cluster") {
        for (const read of all) leaveAll(read, "wrong-cluster", events);
      } else {
        const sources = await holds.sources.look(events);
        const wrongCluster = hold !== undefined;
        const probes = await takeProbes(all, { wrongCluster, sources }, events);
        const tick: Tick = {
          view,
          isListed,
          inHand,
          admission,
          breakers,
          limits,
          gates,
          takeHeld,
          closeLostRuns,
          hints,
          probes,
          postponed,
          sources,
          wrongCluster,
          holdOnStart,
          unseen: [],
        };
        const shares = sharesOf(deps, all, tick);
        try {
          // guard: orphan-jobs
          await followUnspoken(all, tick, (stored) => advanceFound(deps, stored, shares, tick, events), events);
          postponed = await advanceAll(deps, shares, tick, events);
        } finally {
          // A slot that is never given back counts as taken for as long as the process lives. The tick does not come to
          // each run whose slot it has counted: it may fail before, have no time, or find the run in the watch's hand.
          for (const { slots } of shares) slots.releaseAll();
        }
        admission.lookAtLinesAgain();
        if (isListed) hints.endTick();
        const viewAll = isListed ? async () => view : once(() => viewCluster(deps));
        await housekeeping.keep(all, { isLight, view: viewAll, sources }, events);
        await sources.conclude(events);
      }
      const { overdue, orphans, orphanJobs, undelivered } = counts.fields();
      if (!isLight) seen = { at: deps.clock.now(), overdue, orphans, orphanJobs, undelivered };
      await record();
      log.info("reconciled", line());
      return hold !== "another cluster" && !counts.isAllFailed();
    } catch (error) {
      log.error("reconcile is held up", { why: errorText(error), ...line() });
      // The host writes the stack of all else, which no alert reads.
      if (!(error instanceof UnavailableError)) throw error;
      return false;
    }
  };
}

/** Warns once a tick if the cluster is newer than this version and prints a status of Jobs that it doesn't know. */
function warnOfUnknownStatuses({ jobs }: ClusterView, log: Log): void {
  const unknown = [...jobs.values()].flatMap(({ unknownStatus }) => unknownStatus ?? []);
  if (unknown.length === 0) return;
  log.warn("the cluster lists jobs with an unknown status; each of them is looked at by itself", {
    jobs: unknown.length,
    statuses: [...new Set(unknown)].map((status) => JSON.stringify(status)).join(", "),
  });
}

/** Says how many runs the tick read, whether others wait, and how old the oldest is that it read, in ms. */
function openFields(all: readonly SourceRuns[], now: EpochMs): Fields {
  const read = all.flatMap(({ atWork, due, heads, held }) => [...atWork, ...due, ...heads, ...held]);
  const oldest = read.reduce((earliest, { run }) => Math.min(earliest, inLineSince(run)), now);
  return { open: read.length, othersWait: all.some(({ othersWait }) => othersWait), oldestAgeMs: now - oldest };
}
