import { type Tally, tallyOf } from "../audit/tally.ts";
import type { StormResult } from "./run-storm.ts";
import type { Check, StormSize } from "./storm.ts";

/** The numbers of one storm, and whether everything held. */
export interface StormSummary extends Tally {
  readonly storm: string;
  readonly holds: boolean;
  readonly seed: number;
  readonly outageSeconds: number;
  readonly deadLettered: number;
  readonly checks: readonly Check[];
  /** The last words of replicas that ended by themselves. */
  readonly deaths: readonly string[];
  readonly findings: readonly string[];
  readonly seconds: number;
}

/**
 * Judges a storm. It holds if the audit finds nothing, every check of its own holds, and no replica ended by itself.
 */
export function summariseStorm(storm: string, size: StormSize, result: StormResult): StormSummary {
  const { records, findings, checks, deaths, seconds } = result;
  return {
    storm,
    holds: findings.length === 0 && deaths.length === 0 && checks.length > 0 && checks.every(({ holds }) => holds),
    seed: size.seed,
    outageSeconds: size.outageMs / 1000,
    ...tallyOf(records, findings),
    deadLettered: records.deadLetters.length,
    checks,
    deaths,
    findings: findings.map(({ kind, about, what }) => `${kind}: ${about}: ${what}`),
    seconds: Math.round(seconds),
  };
}

const MOST_LISTED = 20;

/** Writes the summary for people. */
export function stormText(summary: StormSummary): string {
  const { storm, holds, checks, deaths, findings, ...numbers } = summary;
  const listed = [...deaths, ...findings];
  return [
    `${storm}: ${holds ? "it holds" : "it does NOT hold"}`,
    ...checks.map(({ holds: isSo, claim, found }) => `  ${isSo ? "yes" : "NO "} ${claim} (${found})`),
    ...listed.slice(0, MOST_LISTED).map((line) => `  ${line}`),
    ...(listed.length > MOST_LISTED ? [`  ... and ${listed.length - MOST_LISTED} more`] : []),
    `  ${Object.entries(numbers)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ")}`,
  ].join("\n");
}
