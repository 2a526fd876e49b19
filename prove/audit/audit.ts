import { type Kind, type KindName, kindOf, type Planned } from "../stage/kinds.ts";
import { STRANGERS } from "../stage/sender.ts";
import type { LedgerLine } from "./ledger.ts";

/** A message as a peek shows it, in an entity or in its dead letter queue. */
export interface BusMessage {
  readonly runId: string;
  readonly messageId: string;
  readonly state: "active" | "deferred";
  readonly deliveryCount?: number;
  /** Of a dead letter. */
  readonly reason?: string;
}

/** A run as the table holds it. */
export interface RunRow {
  readonly runId: string;
  readonly messageId: string;
  readonly status: string;
  readonly reason?: string;
  readonly attempt: number;
  readonly failures: number;
  readonly interruptions: number;
}

export interface JobRecord {
  readonly name: string;
  readonly runId: string;
  readonly isRetired: boolean;
}

/** What the four sides know when everything has come to rest: nobody's word is taken for another's. */
export interface Books {
  readonly sent: readonly Planned[];
  readonly bus: readonly BusMessage[];
  readonly deadLetters: readonly BusMessage[];
  /** Messages that another Dispatcher deferred, and that are still as it left them. */
  readonly strangers: number;
  /** `open|` rows. */
  readonly open: readonly RunRow[];
  /** `run|` rows that say that their run is open. */
  readonly marks: readonly string[];
  /** `run|` rows with an outcome. */
  readonly closed: readonly RunRow[];
  readonly jobs: readonly JobRecord[];
  /** Run ids of the bodies in the blob store. */
  readonly bodies: readonly string[];
  readonly ledger: readonly LedgerLine[];
}

export type Verdict =
  /** Sent, and neither done nor dead-lettered nor open. */
  | "lost"
  /** One attempt started twice, one message made two runs or two dead letters, or its work was done twice. */
  | "doubled"
  /** It ended otherwise than it has to. */
  | "wrong"
  /** It has not ended. */
  | "open"
  /** Something is left over that no run speaks of. */
  | "orphan"
  /** A secret, or what a sender wrote, stands where it may not. */
  | "leak";

/** What may be left over, by kind: each is something that no run speaks of. */
const ORPHANS = {
  messages: "a deferred message without an open row",
  marks: "a mark without its open row",
  rows: "an open row without its mark",
  jobs: "a job that is not retired",
  bodies: "a body in the blob store",
} as const;

export type OrphanKind = keyof typeof ORPHANS;

/** One thing that is not as it has to be, in a sentence. */
export interface Finding {
  readonly verdict: Verdict;
  /** Of an orphan. */
  readonly orphan?: OrphanKind;
  readonly about: string;
  readonly what: string;
}

/** Holds the books against each other. Empty where everything that was sent ended exactly once, the way it had to. */
export function audit(books: Books): Finding[] {
  const findings: Finding[] = [];
  const say = (verdict: Verdict, about: string, what: string) => findings.push({ verdict, about, what });
  const index = indexOf(books);
  for (const { id, kind } of books.sent) auditMessage(id, kind, index, say);
  const sent = new Set(books.sent.map(({ id }) => id));
  for (const messageId of index.messageIds)
    if (!sent.has(messageId)) say("wrong", messageId, "nobody sent it, and yet it is in the books");
  if (books.strangers !== STRANGERS)
    say("wrong", "strangers", `${STRANGERS} messages of another Dispatcher, and ${books.strangers} left as they were`);
  auditLeftovers(books, index, (orphan, about, of = "") =>
    findings.push({ verdict: "orphan", orphan, about, what: ORPHANS[orphan] + of }),
  );
  return findings;
}

type Say = (verdict: Verdict, about: string, what: string) => void;

interface Index {
  readonly runsOf: ReadonlyMap<string, ReadonlySet<string>>;
  readonly messageIds: ReadonlySet<string>;
  readonly open: ReadonlyMap<string, RunRow>;
  readonly closed: ReadonlyMap<string, RunRow>;
  readonly bus: ReadonlyMap<string, BusMessage>;
  readonly deadLetters: ReadonlyMap<string, readonly BusMessage[]>;
  readonly ledger: ReadonlyMap<string, readonly LedgerLine[]>;
}

function indexOf({ bus, deadLetters, open, closed, ledger }: Books): Index {
  const everything = [...bus, ...deadLetters, ...open, ...closed, ...ledger];
  const byMessage = grouped(everything, ({ messageId }) => messageId);
  return {
    runsOf: new Map([...byMessage].map(([id, entries]) => [id, new Set(entries.map(({ runId }) => runId))])),
    messageIds: new Set(byMessage.keys()),
    open: new Map(open.map((run) => [run.runId, run])),
    closed: new Map(closed.map((run) => [run.runId, run])),
    bus: new Map(bus.map((message) => [message.runId, message])),
    deadLetters: grouped(deadLetters, ({ runId }) => runId),
    ledger: grouped(ledger, ({ runId }) => runId),
  };
}

function auditMessage(id: string, name: KindName, index: Index, say: Say): void {
  const kind = kindOf(name);
  const runs = [...(index.runsOf.get(id) ?? [])];
  if (runs.length < kind.copies) say("lost", id, `${kind.copies} sent, and the books know ${runs.length}`);
  if (runs.length > kind.copies) say("doubled", id, `sent as ${kind.copies}, and the books know ${runs.join(" and ")}`);
  for (const runId of runs) auditRun(runId, kind, index, say);
}

function auditRun(runId: string, kind: Kind, index: Index, say: Say): void {
  const run = index.closed.get(runId);
  const onBus = index.bus.get(runId);
  const letters = index.deadLetters.get(runId) ?? [];
  auditWork(runId, kind, index, say);
  if (letters.length > 1) say("doubled", runId, `${letters.length} dead letters`);
  if (run === undefined) {
    const open = index.open.get(runId);
    if (open || onBus)
      say("open", runId, open ? `its row says ${open.status}` : `it is ${onBus?.state} on the bus, with no row`);
    else say("lost", runId, "it is gone from the bus, and no row says why");
    return;
  }
  if (onBus) say("wrong", runId, `closed as ${run.status}, and still ${onBus.state} on the bus`);
  if (run.status === "lost") say("lost", runId, "its row says so");
  else if (run.status !== kind.outcome || run.reason !== kind.reason)
    say("wrong", runId, `ended as ${ending(run.status, run.reason)}, not ${ending(kind.outcome, kind.reason)}`);
  auditLetter(runId, kind, letters[0], say);
  if (run.failures !== kind.failures) say("wrong", runId, `${run.failures} failures counted, not ${kind.failures}`);
  if (run.interruptions > 0)
    say("wrong", runId, `${run.interruptions} interruptions counted, and nobody interrupted it`);
}

function auditLetter(runId: string, kind: Kind, letter: BusMessage | undefined, say: Say): void {
  if (kind.outcome === "succeeded") {
    if (letter) say("wrong", runId, `it succeeds, and was dead-lettered (${letter.reason})`);
    return;
  }
  if (letter === undefined) say("lost", runId, "it fails, and no dead letter says so");
  else if (letter.reason !== kind.reason) say("wrong", runId, `dead-lettered as ${letter.reason}, not ${kind.reason}`);
}

/** What the workers themselves wrote. */
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
}

function auditLeftovers(
  books: Books,
  index: Index,
  say: (orphan: OrphanKind, about: string, of?: string) => void,
): void {
  for (const { runId, state } of books.bus) if (state === "deferred" && !index.open.has(runId)) say("messages", runId);
  for (const runId of books.marks) if (!index.open.has(runId)) say("marks", runId);
  const marks = new Set(books.marks);
  for (const { runId } of books.open) if (!marks.has(runId)) say("rows", runId);
  for (const { name, runId, isRetired } of books.jobs)
    if (!isRetired && !index.open.has(runId)) say("jobs", name, `, of ${runId}`);
  for (const runId of books.bodies) if (!index.open.has(runId)) say("bodies", runId);
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

function ending(status: string, reason: string | undefined): string {
  return reason === undefined ? status : `${status} (${reason})`;
}
