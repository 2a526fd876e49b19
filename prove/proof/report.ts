import { orphansByKind, type Tally, tallyOf } from "../audit/tally.ts";
import { type Done, deedName, missingDeeds } from "../faults/director.ts";
import type { ProofResult } from "./run-proof.ts";

/** The numbers of a proof, and whether it holds. */
export interface Summary extends Tally {
  readonly holds: boolean;
  readonly seed: number;
  readonly orphansByKind: Readonly<Record<string, number>>;
  readonly deadLettered: Readonly<Record<string, number>>;
  readonly kills: number;
  readonly freezes: number;
  readonly outages: number;
  readonly faults: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** What the proof is worthless without, and what did not come about. */
  readonly missing: readonly string[];
  /** What else was planned and did not come about. */
  readonly left: readonly string[];
  /** Dispatchers that ended by themselves. */
  readonly deaths: readonly string[];
  readonly findings: readonly string[];
  readonly seconds: number;
}

/** Judges a proof. `demanded`: whether every edge has to have had its faults. */
export function summarise(result: ProofResult, seed: number, demanded: boolean): Summary {
  const { books, findings, done } = result;
  const deadLettered: Record<string, number> = {};
  for (const { reason = "" } of books.deadLetters) deadLettered[reason] = (deadLettered[reason] ?? 0) + 1;
  const missing = [
    ...(demanded ? missingDeeds(done) : []),
    ...Array.from({ length: result.blowsLeft }, () => "a kill or freeze at random"),
    ...result.outagesLeft.map(({ server, how }) => `the ${server} ${how}`),
    ...result.unknown.map((call) => `faults on a call that has no name in edges.ts: ${call}`),
  ];
  const left = result.left
    .map(({ deed, edge }) => `${deedName(deed)}: ${edge}`)
    .filter((name) => !missing.includes(name));
  return {
    holds: findings.length === 0 && missing.length === 0 && result.deaths.length === 0,
    seed,
    ...tallyOf(books, findings),
    orphansByKind: orphansByKind(findings),
    deadLettered,
    kills: result.kills,
    freezes: result.freezes,
    outages: result.outages.length,
    faults: asObject(done),
    missing,
    left,
    deaths: result.deaths,
    findings: findings.map(({ verdict, about, what }) => `${verdict}: ${about}: ${what}`),
    seconds: Math.round(result.seconds),
  };
}

function asObject(done: Done): Record<string, Record<string, number>> {
  return Object.fromEntries([...done].map(([edge, counts]) => [edge, Object.fromEntries(counts)]));
}

/** As a person reads it. */
export function summaryText(summary: Summary): string {
  const { faults, findings, missing, left, deaths, deadLettered, ...numbers } = summary;
  const orphans = Object.entries(numbers.orphansByKind).map(([kind, count]) => `${count} ${kind}`);
  const letters = Object.entries(deadLettered).map(([reason, count]) => `${count} ${reason}`);
  const edges = Object.entries(faults).map(([edge, counts]) => {
    const each = Object.entries(counts).map(([deed, count]) => (count === 1 ? deed : `${deed} x${count}`));
    return `  ${edge.padEnd(28)} ${each.join(", ")}`;
  });
  const happened = Object.values(faults).flatMap((counts) => Object.values(counts));
  return [
    `faults on each call (${happened.reduce((sum, count) => sum + count, 0)}):`,
    ...edges,
    ...list("planned, and did not come about", left),
    ...list("never happened, though it has to", missing),
    ...list("ended by itself", deaths),
    ...list("found", findings),
    "",
    `seed           ${numbers.seed}`,
    `sent           ${numbers.sent}`,
    `completed      ${numbers.completed}`,
    `dead-lettered  ${letters.join(", ") || "none"}`,
    `lost           ${numbers.lost}`,
    `doubled        ${numbers.doubled}`,
    `wrong          ${numbers.wrong}`,
    `not ended      ${numbers.open}`,
    `orphans        ${numbers.orphans} (${orphans.join(", ")})`,
    `leaks          ${numbers.leaks}`,
    `attempts       ${numbers.attempts}`,
    `kills          ${numbers.kills}`,
    `freezes        ${numbers.freezes}`,
    `outages        ${numbers.outages}`,
    `seconds        ${numbers.seconds}`,
    "",
    summary.holds ? "It holds." : "It does NOT hold.",
  ].join("\n");
}

const MOST_LISTED = 50;

function list(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const more = lines.length > MOST_LISTED ? [`  ... and ${lines.length - MOST_LISTED} more`] : [];
  return ["", `${title} (${lines.length}):`, ...lines.slice(0, MOST_LISTED).map((line) => `  ${line}`), ...more];
}
