import type { EpochMs } from "../../clock.ts";
import type { SearchRow } from "../../ports/row-check.ts";
import type { ClusterRecord } from "../../run/cluster-record.ts";
import type { NotedLetter } from "../../run/dead-letter.ts";
import type { ClosedStatus, OpenStatus, RunKey } from "../../run/run.ts";
import type { HoldReason } from "../../run/source-hold.ts";

/** A deferred message without a row, open or closed. */
interface RowlessFinding {
  /** The identity of the run that it should have. */
  readonly key: RunKey;
  /** The sender's own id; empty if it has none. */
  readonly messageId: string;
  /** The id of the instance that deferred it; undefined if it carries no stamp. */
  readonly owner: string | undefined;
  /** The module that takes it; undefined if none does. */
  readonly module: string | undefined;
}

/**
 * What an audit may find: what bus, rows and cluster say against each other, and what holds runs up that only a person
 * may let go. `MENDED` says of each kind who mends it, and docs/operate.md with which command.
 */
export type AuditFinding =
  /** The namespace that is seen, by its uid, is not the one in which so many Jobs are at work. */
  | { readonly kind: "another cluster"; readonly record: ClusterRecord; readonly uid: string; readonly atWork: number }
  /** So many Jobs are absent that the ticks believe none of it. */
  | { readonly kind: "mass absence"; readonly absent: number }
  /**
   * The runs of a source are held, because its entity or its messages are missing. `removed`: the modules of its open
   * runs, if no module file names the source any more.
   */
  | {
      readonly kind: "source held";
      readonly source: string;
      readonly because: HoldReason;
      readonly since: EpochMs;
      readonly removed: readonly string[];
    }
  /** So many messages were rejected that others are held. `mayBeMore`: only so many of the held ones were counted. */
  | {
      readonly kind: "shut gate";
      readonly gate: string;
      readonly problem: string;
      readonly held: number;
      readonly mayBeMore: boolean;
    }
  /** Runs wait for a module whose file is gone. `first`: the id of one of them. */
  | {
      readonly kind: "file missing";
      readonly module: string;
      readonly source: string;
      readonly waiting: number;
      readonly first: string;
    }
  /** A Job past the time limit of its pod and still not over. */
  | { readonly kind: "overdue Job"; readonly runId: string; readonly jobName: string; readonly overdueMs: number }
  /** The row says that the Job is at work, and there is none. */
  | { readonly kind: "missing Job"; readonly runId: string; readonly key: RunKey; readonly jobName: string }
  /** The Job of a run's attempt is there, and the row doesn't say so. */
  | { readonly kind: "unrecorded Job"; readonly runId: string; readonly key: RunKey; readonly jobName: string }
  /** The Job of an attempt that is over, or of a closed run, that nobody retired. */
  | {
      readonly kind: "unretired Job";
      readonly runId: string;
      readonly key: RunKey;
      readonly attempt: number;
      readonly jobName: string;
    }
  /** A Job of which no row speaks. No `runId`: a person edited what its metadata say of that. */
  | { readonly kind: "stray Job"; readonly jobName: string; readonly runId?: string }
  /** A deferred message without a row that a sweep makes a row of: this instance deferred it. */
  | ({ readonly kind: "message without a row" } & RowlessFinding)
  /**
   * A deferred message without a row that the sweep leaves alone: another instance deferred it, or no module takes it.
   */
  | ({ readonly kind: "orphan message" } & RowlessFinding)
  /** A message that is deferred though its run is closed. A lost run is opened again, and any other is settled. */
  | {
      readonly kind: "message of a closed run";
      readonly runId: string;
      readonly key: RunKey;
      readonly status: ClosedStatus;
    }
  /** A message that is active though its run is long past its deferral. */
  | { readonly kind: "undeferred message"; readonly runId: string; readonly status: OpenStatus }
  /** An open run whose message is gone from the bus. */
  | { readonly kind: "missing message"; readonly runId: string; readonly status: OpenStatus }
  /** So many messages of a source are gone that it is more likely another namespace, or the entity was emptied. */
  | {
      readonly kind: "messages missing";
      readonly source: string;
      readonly missing: number;
      readonly looked: number;
      readonly removed: readonly string[];
    }
  /** The row that locks the identity of a run says that it is open, and the run itself is nowhere. */
  | { readonly kind: "lock without a run"; readonly runId: string; readonly key: RunKey }
  /**
   * An open run of which no row locks the identity, so that it can't be closed. `row` names its own, for the table
   * alone.
   */
  | { readonly kind: "run without a lock"; readonly runId: string; readonly key: RunKey; readonly row: string }
  /** Rows by which people find runs that are gone. */
  | { readonly kind: "search rows"; readonly source: string; readonly rows: readonly SearchRow[] }
  /** Rows of dead letters that are gone from the dead letter queue, of one module. */
  | {
      readonly kind: "letters gone";
      readonly source: string;
      readonly module: string;
      readonly letters: readonly NotedLetter[];
      /** How many letters the rows of this module and source note. */
      readonly noted: number;
    };

export type FindingKind = AuditFinding["kind"];

type Counted<Kind extends FindingKind, Name extends string> = Omit<Extract<AuditFinding, { kind: Kind }>, Name> & {
  readonly [name in Name]: { readonly length: number };
};

/** A finding as it is shown to a person: of what may be very many, only how many there are. */
export type ShownFinding =
  | Exclude<AuditFinding, { kind: "search rows" | "letters gone" }>
  | Counted<"search rows", "rows">
  | Counted<"letters gone", "letters">;

/** Leaves out all of a finding that is not to be shown. */
export function shownFinding(finding: AuditFinding): ShownFinding {
  if (finding.kind === "search rows") return { ...finding, rows: { length: finding.rows.length } };
  if (finding.kind === "letters gone") return { ...finding, letters: { length: finding.letters.length } };
  return finding;
}

/**
 * Who mends a finding.
 *
 * - `audit`: `audit --repair` does, because no judgement is needed. A tick, a sweep or a purge does the same in its time.
 * - `person`: only a person may decide it.
 * - `delivery`: the next delivery of the message does.
 */
export const MENDED = {
  "another cluster": "person",
  "mass absence": "person",
  "source held": "person",
  "shut gate": "person",
  "file missing": "person",
  "overdue Job": "person",
  "missing Job": "audit",
  "unrecorded Job": "audit",
  "unretired Job": "audit",
  "stray Job": "person",
  "message without a row": "audit",
  "orphan message": "person",
  "message of a closed run": "audit",
  "undeferred message": "delivery",
  "missing message": "person",
  "messages missing": "person",
  "lock without a run": "audit",
  "run without a lock": "audit",
  "search rows": "audit",
  "letters gone": "audit",
} as const satisfies Record<FindingKind, "audit" | "person" | "delivery">;

type KindOfAudit = { [Kind in FindingKind]: (typeof MENDED)[Kind] extends "audit" ? Kind : never }[FindingKind];

/** A finding of a kind that `audit --repair` mends. */
export type SafeFinding = Extract<AuditFinding, { kind: KindOfAudit }>;

/**
 * Whether `audit --repair` mends a finding. The rows of letters are left alone if all of a module's ten and more letters
 * are gone, because that is rather another namespace than ten letters that somebody took.
 */
export function isSafe(finding: ShownFinding): boolean {
  return MENDED[finding.kind] === "audit" && !(finding.kind === "letters gone" && areAllGone(finding));
}

/** Gives those of the findings that `audit --repair` mends. */
export function safeOf(findings: readonly AuditFinding[]): SafeFinding[] {
  return findings.filter(isSafe).filter(isOfAudit);
}

function isOfAudit(finding: AuditFinding): finding is SafeFinding {
  return MENDED[finding.kind] === "audit";
}

/** Fewer letters don't tell another namespace from letters that somebody took. */
const FEWEST_TO_DOUBT = 10;

function areAllGone({ letters, noted }: Counted<"letters gone", "letters">): boolean {
  return noted >= FEWEST_TO_DOUBT && letters.length === noted;
}

/** The parts of an audit, in the order in which their findings come. */
export const PHASES = ["open runs", "Jobs", "messages", "dead letters", "rows"] as const;
export type Phase = (typeof PHASES)[number];

/** How many things of each phase were looked at. */
export type Looked = Readonly<Record<Phase, number>>;

/** A Job that an audit can't judge before `judgedAt`. */
export interface TooYoung {
  readonly jobName: string;
  readonly judgedAt: EpochMs;
}

/** What an audit looked at, and what it found. */
export interface AuditReport {
  readonly findings: readonly AuditFinding[];
  readonly looked: Looked;
  /** Jobs of which no row speaks, and which are so young that the row may still come. */
  readonly tooYoung: readonly TooYoung[];
  /** The phases that were cut off, because something was away, and those that could not begin without them. */
  readonly unfinished: readonly { readonly phase: Phase; readonly detail: string }[];
}
