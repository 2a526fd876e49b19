import { describe, expect, it } from "vitest";
import type { Finding } from "../../prove/audit/audit.ts";
import { summarise, summaryText } from "../../prove/proof/report.ts";
import type { ProofResult } from "../../prove/proof/run-proof.ts";
import { STRANGERS } from "../../prove/stage/sender.ts";

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

const result: ProofResult = {
  books,
  findings: [],
  done: new Map(),
  left: [],
  blowsLeft: 0,
  outagesLeft: [],
  unknown: [],
  kills: 3,
  freezes: 1,
  outages: [],
  deaths: [],
  seconds: 1.4,
};

/** Of a proof in which everything went as it had to, but for these findings. */
function summary(findings: readonly Finding[]) {
  return summarise({ ...result, findings }, 7, false);
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

  it.each<{ what: string; change: Partial<ProofResult>; said: string }>([
    { what: "a call that it has no name for", change: { unknown: ["bus: GET /new"] }, said: "bus: GET /new" },
    { what: "a random blow that never fell", change: { blowsLeft: 1 }, said: "a kill or freeze at random" },
    {
      what: "an outage that never came",
      change: { outagesLeft: [{ sent: 1, server: "bus", how: "hangs", ms: 1 }] },
      said: "the bus hangs",
    },
    {
      what: "a Dispatcher that ended by itself",
      change: { deaths: ["dispatcher 1 ended"] },
      said: "dispatcher 1 ended",
    },
  ])("does not hold with $what, and says so", ({ change, said }) => {
    const bad = summarise({ ...result, ...change }, 7, false);
    expect(bad.holds).toBe(false);
    expect(summaryText(bad)).toContain(said);
  });

  it("holds without a fault that nothing depends on, and says that it did not come about", () => {
    const left = [{ edge: "insert a run", deed: { do: "refuse", status: 429 }, gap: 0 }] as const;
    const good = summarise({ ...result, left }, 7, false);
    expect(good).toMatchObject({ holds: true, left: ["refuse 429: insert a run"] });
    expect(summaryText(good)).toMatch(/planned, and did not come about \(1\):\n {2}refuse 429: insert a run/);
  });

  it("does not hold where one that it is worthless without is missing, and says so once", () => {
    const left = [{ edge: "insert a run", deed: { do: "kill", when: "before" }, gap: 0 }] as const;
    const bad = summarise({ ...result, left }, 7, true);
    expect(bad).toMatchObject({ holds: false, left: [] });
    expect(bad.missing).toContain("kill before: insert a run");
  });

  it("counts orphans by kind", () => {
    const orphan = { verdict: "orphan", orphan: "bodies", about: "r", what: "a body in the blob store" } as const;
    expect(summaryText(summary([orphan]))).toContain("1 (0 messages, 0 marks, 0 rows, 0 jobs, 1 bodies)");
  });
});
