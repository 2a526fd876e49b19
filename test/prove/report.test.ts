import { describe, expect, it } from "vitest";
import type { Finding } from "../../prove/audit/audit.ts";
import { DEMANDED_EDGES } from "../../prove/faults/edges.ts";
import { summarise, summaryText } from "../../prove/proof/report.ts";
import type { ProofResult } from "../../prove/proof/run-proof.ts";
import { FOREIGN_MESSAGES } from "../../prove/stage/sender.ts";

const records = {
  sent: [{ id: "m-1", kind: "success" }],
  bus: [],
  deadLetters: [],
  foreign: FOREIGN_MESSAGES,
  open: [],
  marks: [],
  notes: [],
  closed: [{ runId: "r", messageId: "m-1", status: "succeeded", attempt: 1, failures: 0, interruptions: 0 }],
  jobs: [],
  bodies: [],
  ledger: [{ runId: "r", attempt: 1, messageId: "m-1", at: 1, what: "start", code: 0 }],
} as const;

const result: ProofResult = {
  records,
  findings: [],
  faultCounts: new Map(),
  left: [],
  randomFaultsLeft: 0,
  outagesLeft: [],
  unknown: [],
  idle: [],
  kills: 3,
  freezes: 1,
  outages: [],
  deaths: [],
  seconds: 1.4,
};

/** Summarises a proof in which nothing went wrong except for these findings. */
function summary(findings: readonly Finding[]) {
  return summarise({ ...result, findings }, 7, []);
}

describe("the summary of a proof", () => {
  it("holds if nothing was found", () => {
    expect(summary([])).toMatchObject({ holds: true, sent: 1, completed: 1, leaks: 0 });
    expect(summaryText(summary([]))).toMatch(/It holds\.$/);
  });

  it.each<{ kind: Finding["kind"]; counted: object }>([
    { kind: "lost", counted: { lost: 1 } },
    { kind: "doubled", counted: { doubled: 1 } },
    { kind: "wrong", counted: { wrong: 1 } },
    { kind: "open", counted: { open: 1 } },
    { kind: "orphan", counted: { orphans: 1 } },
    { kind: "leak", counted: { leaks: 1 } },
  ])("does not hold with something that is $kind, counts it and says what it is", ({ kind, counted }) => {
    const bad = summary([{ kind, about: "m-1", what: "as it is" }]);
    expect(bad).toMatchObject({ holds: false, ...counted });
    expect(summaryText(bad)).toContain(`${kind}: m-1: as it is`);
    expect(summaryText(bad)).toMatch(/It does NOT hold\.$/);
  });

  it.each<{ what: string; change: Partial<ProofResult>; said: string }>([
    { what: "a call without an edge", change: { unknown: ["bus: GET /new"] }, said: "bus: GET /new" },
    { what: "a random fault that never happened", change: { randomFaultsLeft: 1 }, said: "a kill or freeze at random" },
    {
      what: "an outage that never happened",
      change: { outagesLeft: [{ sent: 1, server: "bus", how: "hangs", ms: 1 }] },
      said: "the bus hangs",
    },
    {
      what: "a replica that does no work",
      change: { idle: ["a message that replica 2 accepts"] },
      said: "a message that replica 2 accepts",
    },
    {
      what: "a replica that ended by itself",
      change: { deaths: ["replica 1 ended"] },
      said: "replica 1 ended",
    },
  ])("does not hold with $what, and says so", ({ change, said }) => {
    const bad = summarise({ ...result, ...change }, 7, []);
    expect(bad.holds).toBe(false);
    expect(summaryText(bad)).toContain(said);
  });

  it("holds without a fault that is not demanded, and says that it did not happen", () => {
    const left = [{ edge: "insert a run", fault: { kind: "refuse", status: 429 }, gap: 0 }] as const;
    const good = summarise({ ...result, left }, 7, []);
    expect(good).toMatchObject({ holds: true, left: ["refuse 429: insert a run"] });
    expect(summaryText(good)).toMatch(/planned, and did not happen \(1\):\n {2}refuse 429: insert a run/);
  });

  it("does not hold without a demanded fault, and says so once", () => {
    const left = [{ edge: "insert a run", fault: { kind: "kill", when: "before" }, gap: 0 }] as const;
    const bad = summarise({ ...result, left }, 7, DEMANDED_EDGES);
    expect(bad).toMatchObject({ holds: false, left: [] });
    expect(bad.missing).toContain("kill before: insert a run");
  });

  it("counts orphans by kind", () => {
    const orphan = { kind: "orphan", orphan: "bodies", about: "r", what: "a body in the blob store" } as const;
    expect(summaryText(summary([orphan]))).toContain("1 (0 messages, 0 marks, 0 rows, 0 jobs, 1 bodies)");
  });
});
