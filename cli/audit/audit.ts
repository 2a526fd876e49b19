import {
  type AuditFinding,
  type AuditReport,
  isSafe,
  type SafeFinding,
  safeOf,
} from "../../shared/operate/audit/finding.ts";
import { subjectOf } from "../../shared/operate/audit/subject.ts";
import { type Answers, makeOperator, type Operator } from "../../shared/operate/operator.ts";
import type { DoingFlags } from "../doing.ts";
import { printAnswers } from "../repair/print-answers.ts";
import { aimed } from "../target/aimed.ts";
import type { TargetFlags } from "../target/flags.ts";
import { openTarget, type Target } from "../target/open-target.ts";
import { plainJson, plainText } from "../text/plain-text.ts";
import { note, print, printText } from "../text/print.ts";
import { showProgress } from "../text/progress.ts";
import { counted } from "../text/times.ts";
import { commandFor, cutOffText, lookedText, meaningText, progressText, tooYoungText } from "./words.ts";

interface AuditFlags extends TargetFlags, DoingFlags {
  readonly output?: "table" | "json";
  readonly repair?: true;
}

/**
 * Compares bus, rows and cluster, and prints what disagrees with the command that mends it. With `repair` it mends what
 * needs no judgement. Resolves to 1 if anything is left, or was not looked at.
 */
export async function audit({ output, repair, ...flags }: AuditFlags): Promise<number> {
  // A message gets its row by the module that takes it.
  const target = await openTarget(flags, { allFiles: repair === true });
  try {
    const operator = makeOperator(target.deps, target.log);
    const { namespace } = target.deps;
    const report = await walk(operator);
    const safe = safeOf(report.findings);
    const mended = repair && safe.length > 0 ? await mendAll(operator, target, safe, flags) : [];
    if (output === "json") print(plainJson(asJson(report, mended, { namespace, flags }), 2));
    else printReport(report, mended, { namespace, flags, isRepair: repair === true });
    const left = report.findings.length - mended.filter(([, { kind }]) => kind === "done" || kind === "already").length;
    return left > 0 || report.unfinished.length > 0 ? 1 : 0;
  } finally {
    await target.close();
  }
}

async function walk(operator: Operator): Promise<AuditReport> {
  const progress = showProgress("looking at the open runs");
  try {
    return await operator.audit((looked) => progress.now(progressText(looked)));
  } finally {
    progress.end();
  }
}

async function mendAll(
  operator: Operator,
  target: Target,
  found: readonly SafeFinding[],
  flags: DoingFlags,
): Promise<Answers> {
  const { why, dryRun = false } = flags;
  const words = `mend ${counted(found.length, "finding")}`;
  const who = await target.announce(dryRun ? `dry run: ${words}` : words);
  const progress = showProgress("mending", found.length);
  try {
    const by = { who, ...(why === undefined ? {} : { why }) };
    return await operator.mend(found, { by, dryRun }, (done) => progress.at(done));
  } finally {
    progress.end();
  }
}

/** Where a report is of: the namespace of the Jobs, and the flags by which the person named the Dispatcher. */
interface Place {
  readonly namespace: string;
  readonly flags: TargetFlags;
}

function printReport(
  report: AuditReport,
  mended: Answers,
  { isRepair, ...place }: Place & { readonly isRepair: boolean },
): void {
  for (const found of report.findings)
    if (!isRepair || !isSafe(found)) printText(meaningText(found, place.namespace), commandAt(found, place));
  printAnswers(mended, place.flags);
  for (const line of tooYoungText(report)) printText(line);
  for (const line of cutOffText(report)) note(plainText(line));
  printText(lookedText(report));
}

function commandAt(found: AuditFinding, { namespace, flags }: Place): string | undefined {
  const command = commandFor(found, namespace);
  return command === undefined ? undefined : aimed(command, flags);
}

/** The report for a program: each finding with its subject and the command that mends it. */
export function asJson({ findings, looked, tooYoung, unfinished }: AuditReport, mended: Answers, place: Place) {
  const told = findings.map((found) => ({
    ...found,
    subject: subjectOf(found),
    isSafe: isSafe(found),
    command: commandAt(found, place),
  }));
  const answers = mended.map(([subject, answer]) => ({ subject, ...answer }));
  return { findings: told, mended: answers, looked, tooYoung, unfinished };
}
