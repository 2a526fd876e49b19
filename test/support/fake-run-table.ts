import type { Clock, EpochMs } from "../../shared/clock.ts";
import { ConflictError } from "../../shared/errors.ts";
import type { InstanceTable } from "../../shared/ports/instance-table.ts";
import type { RunTable, StoredRun } from "../../shared/ports/run-table.ts";
import type { ModuleState } from "../../shared/run/module-state.ts";
import { type ClosedRun, type Run, type RunKey, runId } from "../../shared/run/run.ts";
import { type Source, sourceKey } from "../../shared/run/source.ts";
import { type Interference, withInterference } from "./interference.ts";

/** Both ports of the table. */
export type Tables = RunTable & InstanceTable;

export interface FakeRunTable extends RunTable, InstanceTable, Interference<keyof Tables> {
  /** Removes both rows of an open run, as a restore of the table may do. */
  forget(key: RunKey): void;
  /** The rows that are in the table now, in the order of insertion. */
  rows(): { open: Run[]; closed: ClosedRun[] };
}

interface OpenRow {
  readonly run: Run;
  readonly etag: string;
}

/** `closed` is undefined as long as the run is open. */
interface RunRow {
  readonly closed: ClosedRun | undefined;
  readonly etag: string;
}

/**
 * The rows in memory, with the adapter's rules. Every write is conditional, and a row's identity stays taken for ever.
 */
export function makeFakeRunTable({ clock, owner = "owner-1" }: { clock: Clock; owner?: string }): FakeRunTable {
  const open = new Map<string, OpenRow>();
  const runs = new Map<string, RunRow>();
  const sources = new Map<string, Source>();
  const cursors = new Map<string, number>();
  const modules = new Map<string, { state: ModuleState; etag: string }>();
  let tick: EpochMs | undefined;
  let writes = 0;

  const nextEtag = () => `etag-${(writes += 1)}`;
  const stored = ({ run, etag }: OpenRow): StoredRun => ({ run, etag, read: clock.read() });
  const opened = (run: Run): StoredRun => {
    const row = { run: structuredClone(run), etag: nextEtag() };
    open.set(openKey(run), row);
    runs.set(runKey(run), { closed: undefined, etag: nextEtag() });
    return stored(row);
  };
  const requireUnchanged = (read: StoredRun) => {
    if (open.get(openKey(read.run))?.etag !== read.etag) throw new ConflictError(`Run ${runId(read.run)} has changed.`);
  };

  const port: Tables = {
    owner: async () => owner,
    sources: async () => [...sources.values()],
    async registerSource(source) {
      if (!sources.has(sourceKey(source))) sources.set(sourceKey(source), source);
    },
    async find(key) {
      const row = runs.get(runKey(key));
      if (row === undefined) return { kind: "none" };
      if (row.closed !== undefined) return { kind: "closed", run: row.closed, etag: row.etag };
      const openRow = open.get(openKey(key));
      if (openRow === undefined) throw new Error(`The rows of run ${runId(key)} contradict each other.`);
      return { kind: "open", stored: stored(openRow) };
    },
    async insert(run) {
      if (open.has(openKey(run)) || runs.has(runKey(run))) throw new ConflictError(`Run ${runId(run)} exists.`);
      return opened(run);
    },
    async openRuns(source) {
      return [...open.values()]
        .filter(({ run }) => sourceKey(run.source) === sourceKey(source))
        .toSorted((a, b) => a.run.sequenceNumber - b.run.sequenceNumber)
        .map(stored);
    },
    async update(read, next) {
      if (runKey(read.run) !== runKey(next)) throw new Error(`Run ${runId(read.run)} can't become ${runId(next)}.`);
      requireUnchanged(read);
      const row = { run: structuredClone(next), etag: nextEtag() };
      open.set(openKey(next), row);
      return stored(row);
    },
    async close(read, closed) {
      requireUnchanged(read);
      open.delete(openKey(closed));
      runs.set(runKey(closed), { closed: structuredClone(closed), etag: nextEtag() });
    },
    async reopen(closedEtag, run) {
      const row = runs.get(runKey(run));
      if (row?.closed === undefined || row.etag !== closedEtag || open.has(openKey(run))) {
        throw new ConflictError(`Run ${runId(run)} can't be reopened.`);
      }
      return opened(run);
    },
    async purge(source, closedBefore, limit) {
      const due = [...runs]
        .filter(
          ([, { closed }]) =>
            closed && sourceKey(closed.source) === sourceKey(source) && closed.closedAt < closedBefore,
        )
        .slice(0, limit);
      for (const [key] of due) runs.delete(key);
      return due.length;
    },
    sweepCursor: async (source) => cursors.get(sourceKey(source)) ?? 0,
    async saveSweepCursor(source, sequenceNumber) {
      cursors.set(sourceKey(source), sequenceNumber);
    },
    moduleStates: async () => [...modules.values()],
    async saveModuleState(state, etag) {
      if (modules.get(state.module)?.etag !== etag) throw new ConflictError(`Module ${state.module} has changed.`);
      modules.set(state.module, { state: structuredClone(state), etag: nextEtag() });
    },
    async recordTick(at) {
      tick = at;
    },
    lastTick: async () => tick,
  };
  return Object.assign(withInterference(port), {
    forget: (key: RunKey) => {
      open.delete(openKey(key));
      runs.delete(runKey(key));
    },
    rows: () => ({
      open: [...open.values()].map(({ run }) => run),
      closed: [...runs.values()].flatMap(({ closed }) => closed ?? []),
    }),
  });
}

function openKey(key: RunKey): string {
  return `${sourceKey(key.source)}|${key.sequenceNumber}`;
}

function runKey(key: RunKey): string {
  return `${openKey(key)}|${key.enqueuedAt}`;
}
