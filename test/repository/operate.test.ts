import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { MENDED } from "../../shared/operate/audit/finding.ts";
import { CLUSTER_HOLDS } from "../../shared/run/run.ts";
import { countEvents } from "../../shared/telemetry/event-counts.ts";
import { ofType, readPrediction } from "../support/predicted-resources.ts";

const PAGE = readFileSync("docs/operate.md", "utf8");

/** The names in the first column of the table whose header begins like this. */
function named(header: string): string[] {
  const lines = PAGE.split("\n");
  const start = lines.findIndex((line) => line.startsWith(header));
  const end = lines.findIndex((line, index) => index > start && !line.startsWith("|"));
  return lines
    .slice(start + 2, end)
    .flatMap((line) => [...(line.split("|")[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? ""));
}

/** The members of a union of texts in `decide.ts`, without what a comment quotes, and without other unions. */
function unionOf(type: string): string[] {
  const source = readFileSync("shared/run/decide.ts", "utf8").replaceAll(/^ *\/?\*.*$/gm, "");
  const [, members = ""] = new RegExp(`export type ${type} =([^;]+);`).exec(source) ?? [];
  return [...members.matchAll(/"([^"]+)"/g)].map(([, name]) => name ?? "");
}

describe("docs/operate.md", () => {
  it("explains every field of the tick line", () => {
    const counted = Object.keys(countEvents().fields());
    expect(named("| field | means").toSorted()).toEqual(
      ["open", "othersWait", "oldestAgeMs", "ms", ...counted].toSorted(),
    );
  });

  it("explains every cause for which a run waits", () => {
    const causes = [...unionOf("WaitCause"), ...CLUSTER_HOLDS, ...unionOf("LeaveCause")];
    const atWork = ["job-at-work", "job-terminating", "job-overdue"];
    expect(causes).toEqual(expect.arrayContaining(["back-off", ...atWork]));
    expect(named("| cause | means").toSorted()).toEqual(causes.filter((cause) => !atWork.includes(cause)).toSorted());
  });

  it("explains every finding of an audit, and says which of them --repair mends", () => {
    expect(named("| finding | means")).toEqual(Object.keys(MENDED));
    const mended = PAGE.split("\n").filter((line) => line.endsWith("| `audit --repair` |"));
    const kinds = mended.map((line) => /^\| `([^`]+)`/.exec(line)?.[1]);
    expect(kinds).toEqual(Object.entries(MENDED).flatMap(([kind, by]) => (by === "audit" ? [kind] : [])));
  });

  it("explains every alert", () => {
    const prediction = readPrediction("prod");
    const rules = ["Microsoft.Insights/scheduledQueryRules", "Microsoft.Insights/metricAlerts"].flatMap((type) =>
      ofType(prediction, type).map(({ name }) => name.replace("dispatcher-prod-", "")),
    );
    expect(named("| alert | fires if")).toEqual(rules);
  });

  it("explains every outcome of a delivery", () => {
    const source = readFileSync("shared/accept/accept.ts", "utf8");
    const [, outcomes = ""] = /export type AcceptOutcome =([^;]+);/.exec(source) ?? [];
    expect(named("| outcome | means").toSorted()).toEqual(
      [...outcomes.matchAll(/"([^"]+)"/g)].map(([, name]) => name ?? "").toSorted(),
    );
  });
});
