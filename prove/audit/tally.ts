import { kindOf } from "../stage/kinds.ts";
import { type Finding, type FindingKind, type OrphanKind, type Records } from "./audit.ts";

/** The numbers that the records and their audit come to. */
export interface Tally {
  readonly sent: number;
  readonly completed: number;
  readonly lost: number;
  readonly doubled: number;
  readonly wrong: number;
  readonly open: number;
  readonly orphans: number;
  readonly leaks: number;
  readonly attempts: number;
}

/** Counts the records and the findings. Each copy that was sent counts as a message. */
export function tallyOf({ sent, closed, ledger }: Records, findings: readonly Finding[]): Tally {
  const count = (kind: FindingKind) => findings.filter((finding) => finding.kind === kind).length;
  return {
    sent: sent.reduce((sum, { kind }) => sum + kindOf(kind).copies, 0),
    completed: closed.filter(({ status }) => status === "succeeded").length,
    lost: count("lost"),
    doubled: count("doubled"),
    wrong: count("wrong"),
    open: count("open"),
    orphans: count("orphan"),
    leaks: count("leak"),
    attempts: ledger.filter(({ what }) => what === "start").length,
  };
}

/** Counts the orphans of each kind. A kind without orphans is there too, with 0. */
export function orphansByKind(findings: readonly Finding[]): Record<OrphanKind, number> {
  const count = (kind: OrphanKind) => findings.filter(({ orphan }) => orphan === kind).length;
  return {
    messages: count("messages"),
    marks: count("marks"),
    rows: count("rows"),
    jobs: count("jobs"),
    bodies: count("bodies"),
  };
}
