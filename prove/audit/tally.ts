import { kindOf } from "../stage/kinds.ts";
import { type Books, type Finding, type OrphanKind, type Verdict } from "./audit.ts";

/** What the books and their audit come to, in numbers. */
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

/** Counts: what was sent as the sender knows it, each copy a message of its own. */
export function tallyOf({ sent, closed, ledger }: Books, findings: readonly Finding[]): Tally {
  const count = (verdict: Verdict) => findings.filter((finding) => finding.verdict === verdict).length;
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

/** Counts the orphans of each kind, those too of which there are none. */
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
