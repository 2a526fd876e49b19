import {
  actionRow,
  aheadOf,
  deadRow,
  escapeKey,
  heldOf,
  openRowOf,
  runRow,
  runRowsBelow,
  runRowsFrom,
} from "../../shared/adapters/tables/keys.ts";
import type { Clock } from "../../shared/clock.ts";
import { ConflictError } from "../../shared/errors.ts";
import { present } from "../../shared/plain-data.ts";
import type { StoredAction } from "../../shared/ports/action-log.ts";
import type {
  InstanceTable,
  LastTick,
  StoredClusterRecord,
  StoredEnds,
  StoredLimit,
  StoredRedrive,
  StoredSourceHold,
  StoredTickLease,
} from "../../shared/ports/instance-table.ts";
import type { SearchRow } from "../../shared/ports/row-check.ts";
import {
  type LastRedrive,
  type LetterRun,
  type LettersWanted,
  MOST_COUNTED,
  type ModuleLater,
  type ModuleQueue,
  type RunTable,
  type StoredLetter,
  type StoredRun,
} from "../../shared/ports/run-table.ts";
import type { Action } from "../../shared/run/action.ts";
import { type NotedLetter, nameOfRun, notedLetter } from "../../shared/run/dead-letter.ts";
import { type GateState, gateName } from "../../shared/run/gate-state.ts";
import type { ModuleState } from "../../shared/run/module-state.ts";
import { byAge, type ClosedRun, inLineSince, keyOf, type Run, type RunKey, runId } from "../../shared/run/run.ts";
import { type Source, sourceKey } from "../../shared/run/source.ts";
import { type Interference, withInterference } from "./interference.ts";

/** Orders runs as a search finds them. */
const bySearch = (a: RunKey, b: RunKey) =>
  a.sequenceNumber - b.sequenceNumber || byAge(a, b) || (a.redrive ?? 0) - (b.redrive ?? 0);

/** Both ports of the table. */
export type Tables = RunTable & InstanceTable;

export interface FakeRunTable extends RunTable, InstanceTable, Interference<keyof Tables> {
  /** Removes the rows of an open run, as a restore of the table may do. With `only`, one of the two. */
  forget(key: RunKey, only?: "run" | "lock"): void;
  /** Leaves a row by which a run is found that is not there. */
  leaveSearchRow(key: RunKey): void;
  /** The rows that are in the table now, in the order of insertion. */
  rows(): { open: Run[]; closed: ClosedRun[] };
}

interface OpenRow {
  readonly run: Run;
  readonly etag: string;
  readonly row: string;
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
  let known: string | undefined;
  const open = new Map<string, OpenRow>();
  const runs = new Map<string, RunRow>();
  /** What is noted of the dead letters of closed runs. */
  const letters = new Map<string, NotedLetter>();
  /** The runs whose dead letters are gone. */
  const forgotten = new Set<string>();
  const sources = new Map<string, Source>();
  const cursors = new Map<string, number>();
  const modules = new Map<string, { state: ModuleState; etag: string }>();
  const held = new Map<string, StoredSourceHold>();
  const actions = new Map<string, StoredAction[]>();
  const limits = new Map<string, StoredLimit>();
  const redrives = new Map<string, StoredRedrive>();
  /** The rows of a search are made up as they are asked for. These are left of runs that are gone. */
  let strays: SearchRow[] = [];
  let cluster: StoredClusterRecord | undefined;
  const gates = new Map<string, { state: GateState; etag: string }>();
  let tick: LastTick | undefined;
  let lease: StoredTickLease | undefined;
  let ends: StoredEnds | undefined;
  let writes = 0;

  const nextEtag = () => `etag-${(writes += 1)}`;
  const partition = (source: Source | undefined) => (source === undefined ? "" : sourceKey(source));
  const logAction = (action: Action | undefined, source?: Source) => {
    if (action === undefined) return;
    const id = actionRow(action.at, String((writes += 1)).padStart(8, "0"));
    actions.set(partition(source), [
      ...(actions.get(partition(source)) ?? []),
      { id, action: structuredClone(action) },
    ]);
  };
  const stored = ({ run, etag, row }: OpenRow): StoredRun => ({ run, etag, row, read: clock.read() });
  const put = (run: Run, row: string): StoredRun => {
    const held = { run: structuredClone(run), etag: nextEtag(), row };
    open.set(runKey(run), held);
    return stored(held);
  };
  const requireUnchanged = (read: StoredRun) => {
    if (open.get(runKey(read.run))?.etag !== read.etag) throw new ConflictError(`Run ${runId(read.run)} has changed.`);
  };
  /** The open rows of a source whose keys begin so, in the order of their keys. */
  const rowsOf = (source: Source, prefix: string): StoredRun[] =>
    [...open.values()]
      .filter(({ run, row }) => sourceKey(run.source) === sourceKey(source) && row.startsWith(prefix))
      .toSorted((a, b) => (a.row < b.row ? -1 : 1))
      .map(stored);

  const closedOf = (source: Source): { closed: ClosedRun; etag: string }[] =>
    [...runs.values()].flatMap(({ closed, etag }) =>
      closed && sourceKey(closed.source) === sourceKey(source) ? [{ closed, etag }] : [],
    );
  /** The wanted dead letters of a source, in the order of their rows. */
  const lettersOf = (source: Source, wanted: LettersWanted): StoredLetter[] =>
    closedOf(source)
      .flatMap(({ closed, etag }) => {
        const letter = forgotten.has(runKey(closed)) ? undefined : letters.get(runKey(closed));
        return letter ? [{ ...letter, etag }] : [];
      })
      .filter((letter) =>
        (["module", "reason"] as const).every((name) => wanted[name] === undefined || wanted[name] === letter[name]),
      )
      .filter(({ group }) => wanted.group === undefined || wanted.group === group.id)
      .filter(({ closedAt }) => wanted.closedBefore === undefined || closedAt < wanted.closedBefore)
      .toSorted((a, b) => (deadRow(a) < deadRow(b) ? -1 : 1));
  const keysWhere = (
    source: Source,
    limit: number,
    after: RunKey | undefined,
    isWanted: (run: Omit<Run, "status">) => boolean,
  ): RunKey[] =>
    [...rowsOf(source, "").map(({ run }) => run), ...closedOf(source).map(({ closed }) => closed)]
      .filter(isWanted)
      .filter((run) => after === undefined || bySearch(run, after) > 0)
      .toSorted(bySearch)
      .slice(0, limit)
      .map((run) => keyOf({ ...run, source }));

  const port: Tables = {
    async owner() {
      known = owner;
      return owner;
    },
    knownOwner: async () => known,
    sources: async () => [...sources.values()],
    async registerSource(source) {
      if (!sources.has(sourceKey(source))) sources.set(sourceKey(source), source);
    },
    async find(key) {
      const row = runs.get(runKey(key));
      if (row === undefined) return { kind: "none" };
      if (row.closed !== undefined) return { kind: "closed", run: row.closed, etag: row.etag };
      const openRow = open.get(runKey(key));
      if (openRow === undefined) throw new ConflictError(`The row of run ${runId(key)} is missing.`);
      return { kind: "open", stored: stored(openRow) };
    },
    async insert(run) {
      if (runs.has(runKey(run))) throw new ConflictError(`Run ${runId(run)} exists.`);
      runs.set(runKey(run), { closed: undefined, etag: nextEtag() });
      return put(run, openRowOf(run, run.notBefore));
    },
    anyReady: async (source) => rowsOf(source, "wait|").length + rowsOf(source, "work|").length > 0,
    atWork: async (source) => ({ runs: rowsOf(source, "work|"), newer: [] }),
    async slotsAtWork(source) {
      const runs = rowsOf(source, "work|").map(({ run }) => {
        const { module, status, notBefore, dispatchedAt } = run;
        return { run: { ...keyOf(run), module, status, notBefore, ...present({ dispatchedAt }) } };
      });
      return { runs, newer: [] };
    },
    async later(source, limit) {
      const rows = rowsOf(source, "later|");
      const due = rows.filter(({ run }) => run.notBefore <= clock.now()).slice(0, limit);
      return { due, others: rows.length > due.length };
    },
    async allLater(source, limit, after) {
      const rows = rowsOf(source, "later|");
      return rows.filter(({ row }) => after === undefined || row > after).slice(0, limit);
    },
    async heads(source) {
      const rows = rowsOf(source, "wait|");
      return rows.filter(({ run }, index) => rows[index - 1]?.run.module !== run.module);
    },
    async line(source, module, limit, after) {
      const rows = rowsOf(source, `wait|${escapeKey(module)}|`);
      return rows.filter(({ row }) => after === undefined || row > after).slice(0, limit);
    },
    async heldHeads(source) {
      const rows = rowsOf(source, "hold|");
      return rows.filter(({ run }, index) => rows[index - 1]?.run.module !== run.module);
    },
    async held(source, module, limit, after) {
      const rows = rowsOf(source, heldOf(module).from);
      return rows.filter(({ row }) => after === undefined || row > after).slice(0, limit);
    },
    async inPlace(source, place, limit, after) {
      const rows = rowsOf(source, { work: "work|", line: "wait|", later: "later|", held: "hold|" }[place]);
      return rows.filter(({ row }) => after === undefined || row > after).slice(0, limit);
    },
    async queues(source, place, most) {
      const queues = new Map<string, ModuleQueue>();
      for (const { run } of rowsOf(source, place === "line" ? "wait|" : "hold|")) {
        const { count, firstAt } = queues.get(run.module) ?? { count: 0, firstAt: inLineSince(run) };
        const { module } = run;
        queues.set(module, { module, firstAt, count: Math.min(most, count + 1), isMore: count + 1 >= most });
      }
      return [...queues.values()];
    },
    async laterCounts(source, most) {
      const rows = rowsOf(source, "later|");
      const names = new Set(rows.slice(0, most).map(({ run }) => run.module));
      const modules = [...names].map((module): ModuleLater => {
        const runs = rows.slice(0, most).flatMap(({ run }) => (run.module === module ? [run] : []));
        const doubted = runs.filter(({ absentSince }) => absentSince !== undefined);
        return {
          module,
          count: runs.length,
          doubted: doubted.length,
          first: runs.filter((run) => run.attempt === 1 && !doubted.includes(run)).length,
          oldestAt: Math.min(...runs.map(inLineSince)),
        };
      });
      return { modules, isMore: rows.length >= most };
    },
    async ahead(run, most) {
      const { from, below } = aheadOf(run);
      const { length } = rowsOf(run.source, from).filter(({ row }) => row < below);
      return { count: Math.min(most, length), isMore: length >= most };
    },
    async knownToWait(_source, keys) {
      const waiting = keys.filter((key) => open.get(runKey(key))?.row.startsWith("work|") === false);
      return new Set(waiting.map(runId));
    },
    async update(read, next, action) {
      if (runKey(read.run) !== runKey(next)) throw new Error(`Run ${runId(read.run)} can't become ${runId(next)}.`);
      requireUnchanged(read);
      logAction(action, next.source);
      return put(next, openRowOf(next, clock.now()));
    },
    async close(read, closed, letter = notedLetter(closed)) {
      requireUnchanged(read);
      open.delete(runKey(closed));
      if (letter) letters.set(runKey(closed), letter);
      runs.set(runKey(closed), { closed: structuredClone(closed), etag: nextEtag() });
    },
    async letterRuns(source, keys) {
      const names = new Set(keys.map(nameOfRun));
      const found = new Map<string, LetterRun>();
      const mine = [...runs.entries()].filter(([key]) => key.startsWith(`${sourceKey(source)}|`));
      for (const [key, { closed, etag }] of mine) {
        const run = closed ?? open.get(key)?.run;
        if (!run || !names.has(nameOfRun(run))) continue;
        const { redrive = 0 } = run;
        const before = found.get(nameOfRun(run));
        const earlier =
          before?.kind === "closed" ? (before.run.redrive ?? 0) : before?.kind === "open" ? before.redrive : -1;
        if (redrive < earlier) continue;
        const noted = forgotten.has(key) ? undefined : letters.get(key);
        const letter = noted && { ...noted, group: noted.group.id };
        found.set(
          nameOfRun(run),
          closed ? { kind: "closed", run: closed, etag, letter, columns: {} } : { kind: "open", redrive },
        );
      }
      return found;
    },
    async lastRedrives(source, keys) {
      const mine = [...runs.entries()].filter(([key]) => key.startsWith(`${sourceKey(source)}|`));
      const found = new Map<string, LastRedrive>();
      for (const [key, { closed }] of mine) {
        const run = closed ?? open.get(key)?.run;
        if (run?.redrive === undefined || !keys.some((one) => nameOfRun(one) === nameOfRun(run))) continue;
        if (run.redrive < (found.get(nameOfRun(run))?.redrive ?? 0)) continue;
        found.set(nameOfRun(run), { redrive: run.redrive, status: closed?.status ?? "open" });
      }
      return found;
    },
    async claim(run, earlier) {
      if (runs.has(runKey(run))) throw new ConflictError(`Run ${runId(run)} exists.`);
      if (earlier && runs.get(runKey(earlier.run))?.etag !== earlier.etag)
        throw new ConflictError(`Run ${runId(earlier.run)} has changed.`);
      if (earlier) {
        forgotten.add(runKey(earlier.run));
        runs.set(runKey(earlier.run), { closed: earlier.run, etag: nextEtag() });
      }
      runs.set(runKey(run), { closed: undefined, etag: nextEtag() });
      return put(run, openRowOf(run, run.notBefore));
    },
    async noteLetter({ run, etag }, letter) {
      if (runs.get(runKey(run))?.etag !== etag) throw new ConflictError(`Run ${runId(run)} has changed.`);
      forgotten.delete(runKey(run));
      letters.set(runKey(run), letter);
      runs.set(runKey(run), { closed: run, etag: nextEtag() });
    },
    async reopen(closed, run) {
      const row = runs.get(runKey(run));
      if (row?.closed === undefined || row.etag !== closed.etag)
        throw new ConflictError(`Run ${runId(run)} can't be reopened.`);
      runs.set(runKey(run), { closed: undefined, etag: nextEtag() });
      return put(run, openRowOf(run, clock.now()));
    },
    withMessageId: async (source, messageId, limit, after) =>
      keysWhere(source, limit, after, (run) => run.messageId === messageId),
    withCorrelationId: async (source, correlationId, limit, after) =>
      keysWhere(source, limit, after, (run) => run.correlationId === correlationId),
    deadLetters: async (source, wanted, limit, last) =>
      lettersOf(source, wanted)
        .filter((letter) => last === undefined || deadRow(letter) > deadRow(last))
        .slice(0, limit),
    async forgetLetters(_source, letters) {
      for (const letter of letters) forgotten.add(runKey(letter));
    },
    async failureGroups(source, module, limit) {
      const letters = lettersOf(source, module === undefined ? {} : { module });
      const groups = letters.flatMap((newest, index) => {
        if (letters[index - 1]?.group.id === newest.group.id) return [];
        const all = letters.filter(({ group }) => group.id === newest.group.id);
        const counted = all.slice(0, MOST_COUNTED);
        const { closedAt: firstAt = 0 } = counted.at(-1) ?? {};
        return [{ newest, count: counted.length, isMore: counted.length === MOST_COUNTED, firstAt }];
      });
      const largest = groups.toSorted((a, b) => b.count - a.count || b.newest.closedAt - a.newest.closedAt);
      return { groups: largest.slice(0, limit), others: Math.max(0, groups.length - limit) };
    },
    async closedRuns(source, day, limit, last, number) {
      const { from, below } = runRowsBelow(day, number);
      return closedOf(source)
        .map(({ closed }) => closed)
        .filter((run) => runRow(run) >= from && runRow(run) < below)
        .toSorted((a, b) => (runRow(a) < runRow(b) ? -1 : 1))
        .filter((run) => last === undefined || runRow(run) > runRow(last))
        .slice(0, limit);
    },
    async runBehind(source, day, sequenceNumber) {
      const { from, below } = runRowsFrom(day, sequenceNumber + 1);
      const [first] = [...rowsOf(source, "").map(({ run }) => run), ...closedOf(source).map(({ closed }) => closed)]
        .toSorted((a, b) => (runRow(a) < runRow(b) ? -1 : 1))
        .filter((run) => runRow(run) >= from && runRow(run) < below);
      if (first === undefined) return undefined;
      const { source: _, ...key } = keyOf(first);
      return key;
    },
    async purge(source, closedBefore, limit) {
      const due = [...runs]
        .filter(
          ([key, { closed }]) =>
            closed &&
            sourceKey(closed.source) === sourceKey(source) &&
            closed.closedAt < closedBefore &&
            (forgotten.has(key) || !letters.has(key)),
        )
        .slice(0, limit);
      for (const [key] of due) runs.delete(key);
      return due.length;
    },
    async purgeLetters(_source, letters) {
      for (const letter of letters) if (runs.get(runKey(letter))?.closed) runs.delete(runKey(letter));
    },
    async identities(source, limit, last) {
      return [...runs]
        .filter(([key]) => key.startsWith(`${sourceKey(source)}|`))
        .map(([key, { closed }]) => ({ source, ...keyIn(key), isOpen: closed === undefined }))
        .toSorted((a, b) => (runRow(a) < runRow(b) ? -1 : 1))
        .filter((one) => last === undefined || runRow(one) > runRow(last))
        .slice(0, limit);
    },
    async brokenRows(key) {
      const lock = runs.get(runKey(key));
      const run = open.get(runKey(key));
      if (lock && !lock.closed && !run) return { kind: "no run", key, etag: lock.etag };
      return !lock && run ? { kind: "no lock", key, stored: stored(run) } : undefined;
    },
    async lockAgain({ key, stored: seen }) {
      requireUnchanged(seen);
      if (runs.has(runKey(key))) throw new ConflictError(`Run ${runId(key)} is locked.`);
      runs.set(runKey(key), { closed: undefined, etag: nextEtag() });
    },
    async putBack({ key, etag }, run) {
      if (runs.get(runKey(key))?.etag !== etag || open.has(runKey(key)))
        throw new ConflictError(`The rows of run ${runId(key)} have changed.`);
      if (run === undefined) runs.delete(runKey(key));
      else put(run, openRowOf(run, clock.now()));
    },
    async searchRows(source, limit, last) {
      return strays
        .filter((one) => sourceKey(one.source) === sourceKey(source))
        .filter(({ row }) => last === undefined || row > last)
        .slice(0, limit);
    },
    async removeSearchRows(_source, rows) {
      strays = strays.filter(({ row }) => !rows.some((one) => one.row === row));
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
    limits: async () => [...limits.values()],
    async saveLimit(limit, etag, action) {
      if (limits.get(limit.module)?.etag !== etag) throw new ConflictError(`The limit of ${limit.module} has changed.`);
      logAction(action);
      limits.set(limit.module, { limit: structuredClone(limit), etag: nextEtag() });
    },
    async removeLimit(module, etag, action) {
      if (limits.get(module)?.etag !== etag) throw new ConflictError(`The limit of ${module} has changed.`);
      logAction(action);
      limits.delete(module);
    },
    redrives: async () => [...redrives.values()],
    async saveRedrive(redrive, etag, action) {
      const key = sourceKey(redrive.source);
      if (redrives.get(key)?.etag !== etag) throw new ConflictError("The redrive has changed.");
      logAction(action);
      const stored = { redrive: structuredClone(redrive), etag: nextEtag() };
      redrives.set(key, stored);
      return stored;
    },
    cluster: async () => cluster,
    async saveCluster(record, etag, action) {
      if (cluster?.etag !== etag) throw new ConflictError("The record of the cluster has changed.");
      logAction(action);
      cluster = { record: structuredClone(record), etag: nextEtag() };
    },
    heldSources: async () => [...held.values()],
    async holdSource(source, hold, etag, action) {
      if (held.get(sourceKey(source))?.etag !== etag) throw new ConflictError("The hold has changed.");
      logAction(action);
      held.set(sourceKey(source), { source, hold: structuredClone(hold), etag: nextEtag() });
    },
    async releaseSource(source, etag) {
      if (held.get(sourceKey(source))?.etag !== etag) throw new ConflictError("The hold has changed.");
      held.delete(sourceKey(source));
    },
    gateStates: async () => [...gates.values()],
    async saveGateState(state, etag, action) {
      const name = gateName(state.scope);
      if (gates.get(name)?.etag !== etag) throw new ConflictError(`Gate ${name} has changed.`);
      logAction(action);
      gates.set(name, { state: structuredClone(state), etag: nextEtag() });
    },
    recordAction: async (action, source) => logAction(action, source),
    async actions(source, limit, after, subject) {
      const all = (actions.get(partition(source)) ?? []).toSorted((a, b) => (a.id < b.id ? -1 : 1));
      return all
        .filter(
          ({ id, action }) => (after === undefined || id > after) && (subject ?? action.subject) === action.subject,
        )
        .slice(0, limit);
    },
    async purgeActions(source, before, limit) {
      const all = actions.get(partition(source)) ?? [];
      const old = all.filter(({ action }) => action.at < before).slice(0, limit);
      actions.set(
        partition(source),
        all.filter((one) => !old.includes(one)),
      );
      return old.length;
    },
    async recordTick(at, counts) {
      tick = { at, ...(counts === undefined ? {} : { counts: structuredClone(counts) }) };
    },
    lastTick: async () => tick,
    ends: async () => ends,
    async saveEnds(next, etag) {
      if (ends?.etag !== etag) throw new ConflictError("The ends have changed.");
      ends = { ends: structuredClone(next), etag: nextEtag() };
      return ends;
    },
    tickLease: async () => lease,
    async saveTickLease(next, etag) {
      if (lease?.etag !== etag) throw new ConflictError("The lease has changed.");
      lease = { lease: { ...next }, etag: nextEtag() };
      return lease;
    },
  };
  return Object.assign(withInterference(port), {
    forget: (key: RunKey, only?: "run" | "lock") => {
      if (only !== "lock") open.delete(runKey(key));
      if (only !== "run") runs.delete(runKey(key));
    },
    leaveSearchRow: ({ source, sequenceNumber, enqueuedAt }: RunKey) => {
      strays.push({ source, sequenceNumber, enqueuedAt, row: `msg|${strays.length}` });
    },
    rows: () => ({
      open: [...open.values()].map(({ run }) => run),
      closed: [...runs.values()].flatMap(({ closed }) => closed ?? []),
    }),
  });
}

function runKey(key: RunKey): string {
  return `${sourceKey(key.source)}|${key.sequenceNumber}|${key.enqueuedAt}|${key.redrive ?? 0}`;
}

/** Reads the numbers that `runKey` has written. */
function keyIn(key: string): Omit<RunKey, "source"> {
  const [sequenceNumber = 0, enqueuedAt = 0, redrive = 0] = key.split("|").slice(-3).map(Number);
  return { sequenceNumber, enqueuedAt, ...(redrive === 0 ? {} : { redrive }) };
}
