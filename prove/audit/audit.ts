import { type Kind, type KindName, kindOf, type PlannedMessage } from "../stage/kinds.ts";
import { ATTEMPTS_OF_A_REDRIVE } from "../stage/proof-modules.ts";
import { FOREIGN_MESSAGES } from "../stage/sender.ts";
import type { LedgerLine } from "./ledger.ts";

/** A message as a peek shows it, in a queue or subscription, or in its dead letter queue. */
export interface BusMessage {
  readonly runId: string;
  readonly messageId: string;
  readonly state: "active" | "deferred";
  readonly deliveryCount?: number;
  /** Why it was dead-lettered, if it was. */
  readonly reason?: string;
  /** What the app wrote on it when it deferred, requeued or dead-lettered it. */
  readonly stamps: Stamps;
}

/** The app's own properties of a message. One that is missing was never written. */
export interface Stamps {
  /** The run that a dead letter says it is of. */
  readonly run?: string;
  /** Why a dead letter says it is one. */
  readonly reason?: string;
  /** The attempt that the message waits for, or that was its last. */
  readonly attempt?: number;
}

/** A run as the table holds it. */
export interface RunRow {
  /** The id of the run as which its message was accepted. */
  readonly runId: string;
  /** How often its letter was redriven, if it was. */
  readonly redrive?: number;
  readonly messageId: string;
  readonly correlationId?: string;
  readonly status: string;
  readonly reason?: string;
  readonly attempt: number;
  readonly failures: number;
  readonly interruptions: number;
  /** When the run was closed, in ms. */
  readonly closedAt?: number;
}

/** A row by which people find a run or its dead letter. */
export interface NoteRow {
  readonly kind: "msg" | "corr" | "dead";
  readonly runId: string;
  /** The id by which the run is found, or why its message was dead-lettered. */
  readonly says: string;
}

/** A Job as the cluster lists it. */
export interface JobRecord {
  readonly name: string;
  readonly runId: string;
  readonly isRetired: boolean;
}

/**
 * What the sender, the bus, the table, the cluster, the blob store and the workers know once everything is at rest.
 * Each is read by itself.
 */
export interface Records {
  readonly sent: readonly PlannedMessage[];
  /** Messages that have not ended. */
  readonly bus: readonly BusMessage[];
  readonly deadLetters: readonly BusMessage[];
  /** How many messages that another instance deferred are still deferred. */
  readonly foreign: number;
  /** `work|`, `wait|`, `later|` and `hold|` rows. */
  readonly open: readonly RunRow[];
  /** `run|` rows that say that their run is open. */
  readonly marks: readonly string[];
  /** `run|` rows with an outcome. */
  readonly closed: readonly RunRow[];
  /** `msg|`, `corr|` and `dead|` rows. */
  readonly notes: readonly NoteRow[];
  readonly jobs: readonly JobRecord[];
  /** The ids of the runs whose bodies are in the blob store. */
  readonly bodies: readonly string[];
  /** What the workers wrote themselves. */
  readonly ledger: readonly LedgerLine[];
}

/** The way in which something is wrong. */
export type FindingKind =
  /** A message was sent, and is neither done nor dead-lettered nor open. */
  | "lost"
  /**
   * An attempt started twice, or before the one before it had ended. Or a message became two runs or two dead letters,
   * or its work was done twice.
   */
  | "doubled"
  /**
   * A message ended in another way than its kind has to, or before its work had ended, or something was touched that
   * the app must not touch.
   */
  | "wrong"
  /** A message has not ended. */
  | "open"
  /** Something is left over, and no run speaks of it. */
  | "orphan"
  /** A row by which people find a run or its dead letter is missing, or is left over. */
  | "note"
  /** A secret, or a text of the sender's, is in a place where it must not be. */
  | "leak";

/** The kinds of orphans, as a finding says them. */
const ORPHANS = {
  messages: "a deferred message without an open row",
  marks: "a mark without its open row",
  rows: "an open row without its mark",
  jobs: "a Job that is not retired",
  bodies: "a body in the blob store",
} as const;

export type OrphanKind = keyof typeof ORPHANS;

/** One thing that is not as it has to be. */
export interface Finding {
  readonly kind: FindingKind;
  /** What the orphan is, if it is one. */
  readonly orphan?: OrphanKind;
  /** The id of the message, the run or the object that it is about. */
  readonly about: string;
  /** What is wrong, in words. */
  readonly what: string;
}

/**
 * Compares the records with each other. Finds nothing if every message that was sent ended exactly once, in the way of
 * its kind.
 */
export function audit(records: Records): Finding[] {
  const findings: Finding[] = [];
  const say = (kind: FindingKind, about: string, what: string) => findings.push({ kind, about, what });
  const index = indexOf(records);
  for (const { id, kind } of records.sent) auditMessage(id, kind, index, say);
  const sent = new Set(records.sent.map(({ id }) => id));
  for (const messageId of index.messageIds)
    if (!sent.has(messageId)) say("wrong", messageId, "it is in the records, but was never sent");
  if (records.foreign !== FOREIGN_MESSAGES)
    say("wrong", "foreign messages", `another instance deferred ${FOREIGN_MESSAGES}, and ${records.foreign} are left`);
  auditNotes(records, index, say);
  auditLeftovers(records, index, (orphan, about, of = "") =>
    findings.push({ kind: "orphan", orphan, about, what: ORPHANS[orphan] + of }),
  );
  return findings;
}

type Say = (kind: FindingKind, about: string, what: string) => void;

interface Index {
  readonly runsOf: ReadonlyMap<string, ReadonlySet<string>>;
  readonly messageIds: ReadonlySet<string>;
  readonly open: ReadonlyMap<string, RunRow>;
  /** The last run of each message that is closed. */
  readonly closed: ReadonlyMap<string, RunRow>;
  /** The closed runs of each message, the first one first. */
  readonly all: ReadonlyMap<string, readonly RunRow[]>;
  readonly bus: ReadonlyMap<string, BusMessage>;
  readonly deadLetters: ReadonlyMap<string, readonly BusMessage[]>;
  readonly ledger: ReadonlyMap<string, readonly LedgerLine[]>;
}

function indexOf({ bus, deadLetters, open, closed, ledger }: Records): Index {
  const everything = [...bus, ...deadLetters, ...open, ...closed, ...ledger];
  const byMessage = grouped(everything, ({ messageId }) => messageId);
  const inOrder = closed.toSorted((a, b) => (a.redrive ?? 0) - (b.redrive ?? 0));
  return {
    runsOf: new Map([...byMessage].map(([id, entries]) => [id, new Set(entries.map(({ runId }) => runId))])),
    messageIds: new Set(byMessage.keys()),
    open: new Map(open.map((run) => [run.runId, run])),
    closed: new Map(inOrder.map((run) => [run.runId, run])),
    all: grouped(inOrder, ({ runId }) => runId),
    bus: new Map(bus.map((message) => [message.runId, message])),
    deadLetters: grouped(deadLetters, ({ runId }) => runId),
    ledger: grouped(ledger, ({ runId }) => runId),
  };
}

function auditMessage(id: string, name: KindName, index: Index, say: Say): void {
  const kind = kindOf(name);
  const runs = [...(index.runsOf.get(id) ?? [])];
  if (runs.length < kind.copies) say("lost", id, `${kind.copies} sent, and ${runs.length} in the records`);
  if (runs.length > kind.copies)
    say("doubled", id, `${kind.copies} sent, and ${runs.length} in the records (${runs.join(" and ")})`);
  for (const runId of runs) auditRun(runId, kind, index, say);
}

function auditRun(runId: string, kind: Kind, index: Index, say: Say): void {
  const run = lastRun(runId, kind, index);
  const onBus = index.bus.get(runId);
  const letters = index.deadLetters.get(runId) ?? [];
  auditWork(runId, kind, index, say);
  if (letters.length > 1) say("doubled", runId, `${letters.length} dead letters`);
  if (run === undefined) {
    const open = index.open.get(runId);
    if (open || onBus)
      say("open", runId, open ? `its row says ${open.status}` : `it is ${onBus?.state} on the bus, with no row`);
    else if (index.closed.has(runId)) {
      if (letters.length === 0) say("lost", runId, "it waits to be redriven, and its dead letter is gone");
      else say("open", runId, "it waits to be redriven");
    } else say("lost", runId, "it is gone from the bus, and no row says why");
    if (open && onBus?.state === "deferred") auditDeferral(open, onBus.stamps, say);
    return;
  }
  auditEarlierRuns(runId, index, say);
  if (onBus) say("wrong", runId, `closed as ${run.status}, and still ${onBus.state} on the bus`);
  if (run.status === "lost") say("lost", runId, "its row says so");
  else if (run.status !== kind.outcome || run.reason !== kind.reason)
    say("wrong", runId, `ended as ${endText(run.status, run.reason)}, not ${endText(kind.outcome, kind.reason)}`);
  auditLetter(run, kind, letters[0], say);
  if (run.failures !== kind.failures) say("wrong", runId, `${run.failures} failures counted, not ${kind.failures}`);
  if (run.interruptions > 0) say("wrong", runId, `${run.interruptions} interruptions counted, not 0`);
}

/** Gives the closed run that says how a message ended; undefined if its end is still to come. */
function lastRun(runId: string, kind: Kind, { closed, open }: Index): RunRow | undefined {
  const last = closed.get(runId);
  if (kind.redriven !== true || last === undefined) return last;
  return open.has(runId) || last.redrive === undefined || last.status === "withdrawn" ? undefined : last;
}

/** A run that was followed by a redrive of its letter has failed, or was withdrawn. */
function auditEarlierRuns(runId: string, { all }: Index, say: Say): void {
  for (const { redrive = 0, status, reason } of (all.get(runId) ?? []).slice(0, -1)) {
    const isRight = redrive === 0 ? status === "failed" && reason === "JobFailed" : status === "withdrawn";
    if (!isRight) say("wrong", runId, `redriven after redrive ${redrive}, which ended as ${endText(status, reason)}`);
  }
}

/**
 * Compares a dead letter with its own run, because the bus's client can settle two neighbours with the outcome of the
 * first: then a letter has the facts of another message, and the reason may be right all the same.
 */
function auditLetter(run: RunRow, kind: Kind, letter: BusMessage | undefined, say: Say): void {
  const { runId } = run;
  if (kind.outcome === "succeeded") {
    if (letter) say("wrong", runId, `it succeeds, and was dead-lettered (${letter.reason})`);
    return;
  }
  if (letter === undefined) return say("lost", runId, "it fails, and no dead letter says so");
  const { reason, stamps } = letter;
  if (reason !== kind.reason) say("wrong", runId, `dead-lettered as ${reason}, not ${kind.reason}`);
  if (stamps.run !== runId) say("wrong", runId, `its dead letter has the facts of ${stamps.run ?? "no run"}`);
  if (stamps.reason !== reason) say("wrong", runId, `dead-lettered as ${reason}, with the facts of ${stamps.reason}`);
  if (kind.outcome !== "rejected" && stamps.attempt !== run.attempt)
    say("wrong", runId, `its dead letter is of attempt ${stamps.attempt}, and its row of ${run.attempt}`);
}

/**
 * Compares a deferred message with its own row. The stamp may be of an earlier attempt, because the row moves on first,
 * and 0 if the message was held when it was deferred.
 */
function auditDeferral({ runId, attempt }: RunRow, stamps: Stamps, say: Say): void {
  if (stamps.attempt === undefined) say("wrong", runId, "deferred without a stamp");
  else if (stamps.attempt > attempt)
    say("wrong", runId, `deferred with the stamp of attempt ${stamps.attempt}, and its row says ${attempt}`);
}

/** Checks the lines that the workers themselves wrote. */
function auditWork(runId: string, kind: Kind, index: Index, say: Say): void {
  const lines = index.ledger.get(runId) ?? [];
  const starts = grouped(
    lines.filter(({ what }) => what === "start"),
    ({ attempt }) => attempt,
  );
  for (const [attempt, { length }] of starts)
    if (length > 1) say("doubled", runId, `attempt ${attempt} started ${length} times`);
  const successes = lines.filter(({ what, code }) => what === "end" && code === 0).length;
  if (successes > 1) say("doubled", runId, `its work was done ${successes} times`);
  const isClosed = index.closed.has(runId);
  if (isClosed && kind.outcome === "succeeded" && successes === 0)
    say("lost", runId, "closed, and its work was never done");
  if (isClosed && starts.size !== kind.starts)
    say("wrong", runId, `${starts.size} attempts started, not ${kind.starts}`);
  auditOrder(runId, lines, say);
  for (const run of index.all.get(runId) ?? []) auditClosing(run, lines, say);
}

/** What a worker had done by each of its lines, in words. */
const PAST = { start: "started", end: "ended" } as const;

/** Checks that no attempt started before the one before it had ended. */
function auditOrder(runId: string, lines: readonly LedgerLine[], say: Say): void {
  const attempts = [...grouped(lines, ({ attempt }) => attempt)]
    .toSorted(([a], [b]) => a - b)
    .map(([, its]) => its.toSorted((a, b) => a.at - b.at));
  for (const [index, [first]] of attempts.entries()) {
    const last = attempts[index - 1]?.at(-1);
    if (!first || !last || last.at <= first.at) continue;
    const before = `${last.at - first.at} ms before attempt ${last.attempt} had ${PAST[last.what]}`;
    say("doubled", runId, `attempt ${first.attempt} started ${before}`);
  }
}

/**
 * How far the clock by which a replica closes runs may be behind the workers' clock. It keeps to the clock of the
 * storage, which tells whole seconds.
 */
const BEHIND_MS = 1_000;

/** Checks that a run was not closed before its workers had ended. */
function auditClosing({ runId, redrive = 0, closedAt }: RunRow, lines: readonly LedgerLine[], say: Say): void {
  if (closedAt === undefined) return;
  const closing = redrive === 0 ? "closed" : `redrive ${redrive} closed`;
  for (const { attempt, at, what } of lines) {
    if (Math.floor(attempt / ATTEMPTS_OF_A_REDRIVE) !== redrive || at - closedAt <= BEHIND_MS) continue;
    const its = attempt % ATTEMPTS_OF_A_REDRIVE;
    say("wrong", runId, `${closing} ${at - closedAt} ms before its attempt ${its} had ${PAST[what]}`);
  }
}

/** Compares the rows by which people find runs and dead letters with these. */
function auditNotes({ open, closed, deadLetters, notes }: Records, index: Index, say: Say): void {
  const wanted = [
    ...[...open, ...closed].flatMap((run): NoteRow[] => [
      { kind: "msg", runId: idOf(run), says: run.messageId },
      ...(run.correlationId === undefined
        ? []
        : [{ kind: "corr", runId: idOf(run), says: run.correlationId } as const]),
    ]),
    // The row of a letter is written when its run closes.
    ...deadLetters.flatMap(({ runId, reason = "" }): NoteRow[] => {
      const last = index.open.has(runId) ? undefined : index.closed.get(runId);
      return last ? [{ kind: "dead", runId: idOf(last), says: reason }] : [];
    }),
  ];
  const [held, needed] = [new Set(notes.map(noteText)), new Set(wanted.map(noteText))];
  for (const note of wanted)
    if (!held.has(noteText(note))) say("note", note.runId, `no ${note.kind} row says ${note.says}`);
  for (const note of notes)
    if (!needed.has(noteText(note))) say("note", note.runId, `a ${note.kind} row says ${note.says}, without cause`);
}

/** The id of a run itself, which a redrive of a letter has. */
function idOf({ runId, redrive }: RunRow): string {
  return redrive === undefined ? runId : `${runId}:r${redrive}`;
}

function noteText({ kind, runId, says }: NoteRow): string {
  return `${kind} ${runId} ${says}`;
}

function auditLeftovers(
  records: Records,
  index: Index,
  say: (orphan: OrphanKind, about: string, of?: string) => void,
): void {
  for (const { runId, state } of records.bus)
    if (state === "deferred" && !index.open.has(runId)) say("messages", runId);
  const open = new Set(records.open.map(idOf));
  for (const id of records.marks) if (!open.has(id)) say("marks", id);
  const marks = new Set(records.marks);
  for (const id of open) if (!marks.has(id)) say("rows", id);
  for (const { name, runId, isRetired } of records.jobs)
    if (!isRetired && !open.has(runId)) say("jobs", name, `, of ${runId}`);
  for (const id of records.bodies) if (!open.has(id)) say("bodies", id);
}

function grouped<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

function endText(status: string, reason: string | undefined): string {
  return reason === undefined ? status : `${status} (${reason})`;
}
