import { orphansByKind, type Tally, tallyOf } from "../audit/tally.ts";
import { DEMANDED_EDGES, type Edge } from "../faults/edges.ts";
import { type FaultCounts, faultName, missingFaults } from "../faults/fault.ts";
import type { ProofResult } from "./run-proof.ts";

/** The numbers of a proof, and whether it holds. */
export interface Summary extends Tally {
  readonly holds: boolean;
  readonly seed: number;
  /** On how many calls the faults were demanded. */
  readonly demanded: number;
  readonly orphansByKind: Readonly<Record<string, number>>;
  readonly deadLettered: Readonly<Record<string, number>>;
  readonly kills: number;
  readonly freezes: number;
  readonly outages: number;
  readonly faults: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** What has to happen in a proof, and did not. */
  readonly missing: readonly string[];
  /** What was planned beyond that, and did not happen. */
  readonly left: readonly string[];
  /** The last words of replicas that ended by themselves. */
  readonly deaths: readonly string[];
  readonly findings: readonly string[];
  readonly seconds: number;
}

/** Counts and judges a proof. It holds only if every demanded fault has happened on every one of these edges. */
export function summarise(result: ProofResult, seed: number, demanded: readonly Edge[]): Summary {
  const { records, findings, faultCounts } = result;
  const deadLettered: Record<string, number> = {};
  for (const { reason = "" } of records.deadLetters) deadLettered[reason] = (deadLettered[reason] ?? 0) + 1;
  const missing = [
    ...missingFaults(faultCounts, demanded),
    ...Array.from({ length: result.randomFaultsLeft }, () => "a kill or freeze at random"),
    ...result.outagesLeft.map(({ server, how }) => `the ${server} ${how}`),
    ...result.unknown.map((call) => `faults on a call that edges.ts does not list: ${call}`),
    ...result.idle,
  ];
  const left = result.left
    .map(({ fault, edge }) => `${faultName(fault)}: ${edge}`)
    .filter((name) => !missing.includes(name));
  return {
    holds: findings.length === 0 && missing.length === 0 && result.deaths.length === 0,
    seed,
    demanded: demanded.length,
    ...tallyOf(records, findings),
    orphansByKind: orphansByKind(findings),
    deadLettered,
    kills: result.kills,
    freezes: result.freezes,
    outages: result.outages.length,
    faults: asObject(faultCounts),
    missing,
    left,
    deaths: result.deaths,
    findings: findings.map(({ kind, about, what }) => `${kind}: ${about}: ${what}`),
    seconds: Math.round(result.seconds),
  };
}

function asObject(faults: FaultCounts): Record<string, Record<string, number>> {
  return Object.fromEntries([...faults].map(([edge, counts]) => [edge, Object.fromEntries(counts)]));
}

/** Writes the summary for people. */
export function summaryText(summary: Summary): string {
  const { faults, findings, missing, left, deaths, deadLettered, ...numbers } = summary;
  const orphans = Object.entries(numbers.orphansByKind).map(([kind, count]) => `${count} ${kind}`);
  const letters = Object.entries(deadLettered).map(([reason, count]) => `${count} ${reason}`);
  const edges = Object.entries(faults).map(([edge, counts]) => {
    const each = Object.entries(counts).map(([name, count]) => (count === 1 ? name : `${name} x${count}`));
    return `  ${edge.padEnd(28)} ${each.join(", ")}`;
  });
  const happened = Object.values(faults).flatMap((counts) => Object.values(counts));
  return [
    `faults on each call (${happened.reduce((sum, count) => sum + count, 0)}):`,
    ...edges,
    ...list("planned, and did not happen", left),
    ...list("did not happen, and has to", missing),
    ...list("replicas that ended by themselves", deaths),
    ...list("found", findings),
    "",
    `seed           ${numbers.seed}`,
    `demanded       on ${numbers.demanded} of ${DEMANDED_EDGES.length} calls`,
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
