import { describe, expect, it } from "vitest";
import type { Finding } from "../../../prove/audit.ts";
import { summarise, summaryText } from "../../../prove/report.ts";
import { STRANGERS } from "../../../prove/sender.ts";

const books = {
  sent: [{ id: "m-1", kind: "success" }],
  bus: [],
  deadLetters: [],
  strangers: STRANGERS,
  open: [],
  marks: [],
  closed: [{ runId: "r", messageId: "m-1", status: "succeeded", attempt: 1, failures: 0, interruptions: 0 }],
  jobs: [],
  bodies: [],
  ledger: [{ runId: "r", attempt: 1, messageId: "m-1", what: "start", code: 0 }],
} as const;

/** Of a proof in which everything went as it had to, but for these findings. */
function summary(findings: readonly Finding[]) {
  const result = { books, findings, done: new Map(), left: [], kills: 3, freezes: 1, outages: [], deaths: [] };
  return summarise({ ...result, seconds: 1.4 }, 7, false);
}

describe("the summary of a proof", () => {
  it("holds where nothing was found", () => {
    expect(summary([])).toMatchObject({ holds: true, sent: 1, completed: 1, leaks: 0 });
    expect(summaryText(summary([]))).toMatch(/It holds\.$/);
  });

  it.each<{ verdict: Finding["verdict"]; counted: object }>([
    { verdict: "lost", counted: { lost: 1 } },
    { verdict: "doubled", counted: { doubled: 1 } },
    { verdict: "wrong", counted: { wrong: 1 } },
    { verdict: "open", counted: { open: 1 } },
    { verdict: "orphan", counted: { orphans: 1 } },
    { verdict: "leak", counted: { leaks: 1 } },
  ])("does not hold with something that is $verdict, counts it and says what it is", ({ verdict, counted }) => {
    const bad = summary([{ verdict, about: "m-1", what: "as it is" }]);
    expect(bad).toMatchObject({ holds: false, ...counted });
    expect(summaryText(bad)).toContain(`${verdict}: m-1: as it is`);
    expect(summaryText(bad)).toMatch(/It does NOT hold\.$/);
  });
});
