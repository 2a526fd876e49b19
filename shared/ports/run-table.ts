import type { EpochMs, Reading } from "../clock.ts";
import type { Action } from "../run/action.ts";
import type { NotedLetter } from "../run/dead-letter.ts";
import type { Reason } from "../run/reasons.ts";
import type { ClosedRun, ClosedStatus, Run, RunKey } from "../run/run.ts";
import type { Source } from "../run/source.ts";
import type { RowCheck } from "./row-check.ts";

/** An open run as the table held it at `read`. */
export interface StoredRun {
  readonly run: Run;
  readonly etag: string;
  /** Both clocks, taken before the request that read or wrote the row was sent. */
  readonly read: Reading;
  /** Names the row that holds the run, for the table alone. */
  readonly row: string;
  /** What a newer release wrote there and this one doesn't know, for the table alone. Each write keeps it. */
  readonly unknown?: Readonly<Record<string, unknown>>;
}

/** A closed run as the table held it. */
export interface StoredClosedRun {
  readonly run: ClosedRun;
  readonly etag: string;
  readonly unknown?: Readonly<Record<string, unknown>>;
}

/**
 * The last run that the message of a dead letter had. `open`: it is just ending, or being redriven, for the n-th time if
 * `redrive` is n. `newer`: the row of a newer release, which is to be left alone.
 */
export type LetterRun =
  | { readonly kind: "open"; readonly redrive: number }
  | { readonly kind: "newer" }
  | ({ readonly kind: "closed" } & EarlierRun);

/** A closed run whose letter may be redriven. */
export interface EarlierRun extends StoredClosedRun {
  /**
   * What is noted of the letter. That of a withdrawn run is what was noted of the run before. Undefined if nothing is: the
   * run is of a release that noted none, or its message was not dead-lettered by the Dispatcher.
   */
  readonly letter: LetterFacts | undefined;
  /** Its whole row, for the table alone. */
  readonly columns: Readonly<Record<string, unknown>>;
}

/** The last redrive of a dead letter. */
export interface LastRedrive {
  /** How often the letter was redriven until then. */
  readonly redrive: number;
  /** `open`: its run is not over. */
  readonly status: ClosedStatus | "open";
}

/** What the key of a dead letter's row says of it. */
export interface LetterFacts {
  /** Empty if no module took the message. */
  readonly module: string;
  readonly reason: string;
  /** The id of its failure group. */
  readonly group: string;
  readonly closedAt: EpochMs;
}

/** Which dead letters are wanted: by default all. An empty module means those that no module took. */
export interface LettersWanted {
  readonly module?: string;
  readonly reason?: Reason;
  /** The id of a failure group, which is of one module and one reason. */
  readonly group?: string;
  readonly closedBefore?: EpochMs;
}

/** A dead letter as the table notes it. */
export interface StoredLetter extends NotedLetter {
  readonly etag: string;
}

/** A failure group of one source, of which no more than `MOST_COUNTED` letters are counted. */
export interface CountedGroup {
  /** The letter whose run closed last. */
  readonly newest: StoredLetter;
  readonly count: number;
  /** Whether it may have more than were counted. */
  readonly isMore: boolean;
  /** When the oldest of the counted ones closed. */
  readonly firstAt: EpochMs;
}

/** The failure groups of one source. */
interface CountedGroups {
  readonly groups: readonly CountedGroup[];
  /** How many groups there are besides. */
  readonly others: number;
}

/** What the table holds of a run. `newer`: the row of a newer release, which is to be left alone. */
export type FoundRun =
  | { readonly kind: "none" }
  | { readonly kind: "newer" }
  | { readonly kind: "open"; readonly stored: StoredRun }
  | ({ readonly kind: "closed" } & StoredClosedRun);

/** The runs of a source that are at work. */
export interface RunsAtWork {
  /** All open runs but those that wait or are held, by ascending sequence number. */
  readonly runs: readonly StoredRun[];
  /** The modules of the runs whose rows a newer release wrote. They are left alone, and each may hold a slot. */
  readonly newer: readonly string[];
}

/** What of a run says whether it holds a slot, and since when. */
export type RunInSlot = RunKey & Pick<Run, "module" | "status" | "notBefore" | "dispatchedAt">;

/** The runs of a source that are at work, as far as slots are concerned. */
export interface SlotsAtWork extends Pick<RunsAtWork, "newer"> {
  readonly runs: readonly { readonly run: RunInSlot }[];
}

/** The waiting runs of a source that stand in no line. */
interface LaterRuns {
  /** Those whose time has come, by that time. */
  readonly due: readonly StoredRun[];
  /** Whether there are others. */
  readonly others: boolean;
}

/** A place of open runs: see `RunTable`. `work`: those at work. `later`: those that wait for their time. */
export const PLACES = ["work", "line", "later", "held"] as const;
export type Place = (typeof PLACES)[number];

/**
 * A table can't count, so that no more than these are counted: as many rows as the service gives in one answer. One row
 * more would tell whether there are more, but takes a second request.
 */
export const MOST_COUNTED = 1_000;

/** How many there are, exactly if `isMore` is false. If it is true, there are so many or more. */
export interface Count {
  readonly count: number;
  readonly isMore: boolean;
}

/** The runs of a module's line, or those that are held of it. */
export interface ModuleQueue extends Count {
  /** Empty if no module takes them. */
  readonly module: string;
  /** Since when the first one has its place: see `inLineSince`. */
  readonly firstAt: EpochMs;
}

/** The runs of a module that wait for their time. */
export interface ModuleLater {
  readonly module: string;
  readonly count: number;
  /** Those of whose message a look has missed the first peek. */
  readonly doubted: number;
  /** Those of the others that wait for their first attempt. */
  readonly first: number;
  /** Since when the oldest of them has its place: see `inLineSince`. */
  readonly oldestAt: EpochMs;
}

/**
 * The rows of runs. Every write is conditional. Throws `ConflictError` if another writer was first, so that the caller
 * reads again, and `UnavailableError` for a failure that may pass by itself. A lost reply shows as either, and only
 * another read tells whether the write worked.
 *
 * An open run has one row, which is in one of four places: at work; in its module's line, if it waits for a slot; under
 * its due time, if it waits for that; or under its module, if it is held. The place follows from the run, and each write
 * that changes it moves the row. So a run that waits is read only when its time comes or its turn.
 */
export interface RunTable extends RowCheck {
  /** Finds the run of exactly this identity, enqueued time included. */
  find(key: RunKey): Promise<FoundRun>;
  /**
   * Inserts an open run, whose identity is taken from then on. A waiting one joins its module's line at once. Throws
   * ConflictError if the run exists, open or closed.
   */
  insert(run: Run): Promise<StoredRun>;
  /** Whether any run of a source is at work or stands in a line. Costs one request, and reads no run. */
  anyReady(source: Source): Promise<boolean>;
  /** Lists all runs of a source that are at work. */
  atWork(source: Source): Promise<RunsAtWork>;
  /**
   * Lists the same runs, and of each only what says whether it holds a slot, and since when. So it has also those of
   * whose rows the rest can't be read.
   */
  slotsAtWork(source: Source): Promise<SlotsAtWork>;
  /** Lists at most `limit` waiting runs that are due and not in line yet. */
  later(source: Source, limit: number): Promise<LaterRuns>;
  /**
   * Lists at most `limit` waiting runs that stand in no line, due or not, by their due time; with `after`, only those
   * behind that row. Fewer are the last ones.
   */
  allLater(source: Source, limit: number, after?: string): Promise<StoredRun[]>;
  /** Lists the first run of each line of a source. */
  heads(source: Source): Promise<StoredRun[]>;
  /**
   * Lists at most `limit` runs of a module's line, the one enqueued first at the front; with `after`, only those behind
   * that row. Fewer are the last ones.
   */
  line(source: Source, module: string, limit: number, after?: string): Promise<StoredRun[]>;
  /** Lists the first held run of each module of a source, and of those that no module takes. */
  heldHeads(source: Source): Promise<StoredRun[]>;
  /**
   * Lists at most `limit` held runs of a module, or of those that no module takes if the name is empty, by ascending
   * sequence number; with `after`, only those behind that row. Fewer are the last ones, also if rows in between can't be
   * read.
   */
  held(source: Source, module: string, limit: number, after?: string): Promise<StoredRun[]>;
  /**
   * Lists at most `limit` open runs of one place, whatever their modules, in the order of their rows; with `after`, only
   * those behind that row. Fewer are the last ones.
   */
  inPlace(source: Source, place: Place, limit: number, after?: string): Promise<StoredRun[]>;
  /**
   * Counts the runs of each line of a source, or what is held of each module, up to `most` of each. Costs one request
   * for every 1,000 rows that it counts, and one more behind each line that has `most` or more.
   */
  queues(source: Source, place: "line" | "held", most: number): Promise<ModuleQueue[]>;
  /**
   * Counts the runs of a source that wait for their time, module by module: the first `most` of them, by due time.
   * `isMore`: whether there may be others. Costs one request for every 1,000 rows.
   */
  laterCounts(
    source: Source,
    most: number,
  ): Promise<{ readonly modules: readonly ModuleLater[]; readonly isMore: boolean }>;
  /**
   * Counts up to `most` runs that are in front of a run: in its module's line, or among what is held of it. A run that
   * waits for its time is compared with the line that it will join.
   */
  ahead(run: Run, most: number): Promise<Count>;
  /**
   * Says which of these runs are open and wait or are held, by their ids. A run that is not named may be open all the
   * same, because it is at work: only `find` knows. Costs one request for all runs that lie close together, and so at
   * most one for each run.
   */
  knownToWait(source: Source, keys: readonly RunKey[]): Promise<ReadonlySet<string>>;
  /**
   * Replaces an open run, or moves it if it belongs in another place now: a waiting run stands in line if its time has
   * come. Throws ConflictError if it changed since `stored` was read. `action`: the person's deed that changes it, which
   * the action log of the source notes in the same transaction.
   */
  update(stored: StoredRun, next: Run, action?: Action): Promise<StoredRun>;
  /**
   * Replaces an open run by its outcome, and notes the dead letter that it leaves: the one that `notedLetter` gives,
   * unless another is named. Throws ConflictError if it changed since it was read.
   */
  close(stored: StoredRun, closed: ClosedRun, letter?: NotedLetter): Promise<void>;
  /**
   * Opens a run again that was closed as `lost`, because its message turned up. Throws ConflictError if another writer
   * was first.
   */
  reopen(closed: StoredClosedRun, run: Run): Promise<StoredRun>;
  /**
   * Gives the last runs of messages in the dead letter queue of a source, by the names that `nameOfRun` gives their
   * keys. A key without a run is left out. Costs one request for all runs that lie close together.
   */
  letterRuns(source: Source, keys: readonly RunKey[]): Promise<ReadonlyMap<string, LetterRun>>;
  /**
   * Gives the last redrives of messages in the dead letter queue of a source, by the same names. Left out are those
   * that were not redriven, and those whose last run a newer release began. Costs one request for all runs of a day
   * whose sequence numbers lie within 1,000, and reads no run but the redriven ones.
   */
  lastRedrives(source: Source, keys: readonly RunKey[]): Promise<ReadonlyMap<string, LastRedrive>>;
  /**
   * Inserts the run of a redrive, and with it takes the letter of the earlier run out of all lists, if it is in them, so
   * that only one of many can redrive it. It joins its module's line. Throws ConflictError if another was first, or if
   * the earlier run has changed since it was read. No `earlier`: the table knows no run of the letter.
   */
  claim(run: Run, earlier: EarlierRun | undefined): Promise<StoredRun>;
  /**
   * Notes the dead letter of a closed run again, because its row was lost. Throws ConflictError if the run has changed
   * since it was read: its letter is being redriven, or another process has noted it.
   */
  noteLetter(run: EarlierRun, letter: NotedLetter): Promise<void>;
  /**
   * Lists at most `limit` runs of a source, open or closed, whose messages have this id, the newest last; with `after`,
   * only those behind that run. Ids are the senders' own, so that several messages may have one. Costs one request. A run
   * that a release began which did not know of this is not found.
   */
  withMessageId(source: Source, messageId: string, limit: number, after?: RunKey): Promise<RunKey[]>;
  /** Lists runs by the correlation id of their messages, as `withMessageId` does by their ids. */
  withCorrelationId(source: Source, correlationId: string, limit: number, after?: RunKey): Promise<RunKey[]>;
  /**
   * Lists at most `limit` dead letters of a source, or of a module, a reason and a group alone, in the order of these,
   * and the newest of each group first; with `after`, only those behind that one. Fewer are the last ones. They are
   * those of closed runs whose messages were dead-lettered, until they are purged. A letter may be gone from the bus
   * meanwhile.
   */
  deadLetters(source: Source, which: LettersWanted, limit: number, after?: NotedLetter): Promise<StoredLetter[]>;
  /**
   * Deletes the rows of these dead letters of a source, so that they are in no list any more. Their runs stay in the
   * history. Repeating it is harmless.
   */
  forgetLetters(source: Source, letters: readonly NotedLetter[]): Promise<void>;
  /**
   * Gives the `limit` largest failure groups of a source, or of one of its modules, the largest first. A group costs a
   * request or two, and so do a thousand letters of small groups.
   */
  failureGroups(source: Source, module: string | undefined, limit: number): Promise<CountedGroups>;
  /**
   * Lists at most `limit` closed runs of a source whose messages were enqueued on the UTC day of the time `day`, the
   * newest last; with `after`, only those behind that run, and with `below`, only those whose sequence numbers are
   * below it. Fewer are the last ones.
   */
  closedRuns(source: Source, day: EpochMs, limit: number, after?: RunKey, below?: number): Promise<ClosedRun[]>;
  /**
   * Gives the first run of a source, open or closed, whose message was enqueued on the UTC day of the time `day` and
   * has a sequence number above this one. Costs one request, which reads a key alone.
   */
  runBehind(source: Source, day: EpochMs, sequenceNumber: number): Promise<Omit<RunKey, "source"> | undefined>;
  /**
   * Deletes at most `limit` closed runs of a source that closed before `closedBefore`, with all that was noted of them.
   * Leaves those alone that `deadLetters` lists. Resolves to their number.
   */
  purge(source: Source, closedBefore: EpochMs, limit: number): Promise<number>;
  /** Deletes the closed runs of these dead letters of a source, with all that was noted of them. */
  purgeLetters(source: Source, letters: readonly StoredLetter[]): Promise<void>;
}
