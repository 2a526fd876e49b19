import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { valueAt } from "../../shared/plain-data.ts";

const host: unknown = JSON.parse(readFileSync("host.json", "utf8"));

/** Seconds of a time span, such as 00:00:15. */
function seconds(span: unknown): number {
  const [hours = 0, minutes = 0, rest = 0] = String(span).split(":").map(Number);
  return (hours * 60 + minutes) * 60 + rest;
}

describe("host.json", () => {
  // The host throws at its start if either is below 15 s, or the period is above 60 s.
  it("gives the timer of a dead replica to another one as soon as the host can", () => {
    expect(seconds(valueAt(host, ["singleton", "listenerLockPeriod"]))).toBe(15);
    expect(seconds(valueAt(host, ["singleton", "listenerLockRecoveryPollingInterval"]))).toBe(15);
  });

  it("sends to Application Insights the ticks' lines, and warnings alone of all else, and drops none of these", () => {
    // The host compares this name with its provider's, letter by letter.
    const sent = valueAt(host, ["logging", "ApplicationInsights"]);
    const [, timer] = /app\.timer\("(\w+)"/.exec(readFileSync("functions/index.ts", "utf8")) ?? [];
    expect(sent).toEqual({
      logLevel: { default: "Warning", [`Function.${timer}.User`]: "Information" },
      samplingSettings: { isEnabled: false },
      enableDependencyTracking: false,
    });
  });
});
