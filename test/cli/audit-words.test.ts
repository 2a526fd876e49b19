import { describe, expect, test } from "vitest";
import { commandFor } from "../../cli/audit/words.ts";
import type { FindingKind, ShownFinding } from "../../shared/operate/audit/finding.ts";
import { FORCED_OUTCOMES } from "../../shared/operate/forced-outcome.ts";
import { T0 } from "../support/a-run.ts";
import { parsedBy, wordsOf } from "../support/parsed-command.ts";
import { SOURCE } from "../support/world.ts";

const runId = "thumbnails:42:1732400000000";
const jobName = "thumbnail-42-1";
const source = "thumbnails";
const key = { source: SOURCE, sequenceNumber: 42, enqueuedAt: T0 };
const rowless = { key, messageId: "m-1", owner: undefined, module: undefined };

/** One of each kind, and another where the same kind has another command. */
const FINDINGS: { readonly [Kind in FindingKind]: readonly (ShownFinding & { readonly kind: Kind })[] } = {
  "another cluster": [{ kind: "another cluster", record: { namespace: "jobs" }, uid: "u", atWork: 1 }],
  "mass absence": [{ kind: "mass absence", absent: 20 }],
  "source held": [{ kind: "source held", source, because: "entity missing", since: T0, removed: [] }],
  "shut gate": [{ kind: "shut gate", gate: "module:thumbnail", problem: "no", held: 1, mayBeMore: false }],
  "file missing": [{ kind: "file missing", module: "thumbnail", source, waiting: 1, first: runId }],
  "overdue Job": [{ kind: "overdue Job", runId, jobName, overdueMs: 60_000 }],
  "missing Job": [{ kind: "missing Job", runId, key, jobName }],
  "unrecorded Job": [{ kind: "unrecorded Job", runId, key, jobName }],
  "unretired Job": [{ kind: "unretired Job", runId, key, attempt: 1, jobName }],
  "stray Job": [{ kind: "stray Job", jobName }],
  "message without a row": [{ kind: "message without a row", ...rowless }],
  "orphan message": [{ kind: "orphan message", ...rowless }],
  "message of a closed run": [{ kind: "message of a closed run", runId, key, status: "failed" }],
  "undeferred message": [{ kind: "undeferred message", runId, status: "waiting" }],
  "missing message": [{ kind: "missing message", runId, status: "waiting" }],
  "messages missing": [{ kind: "messages missing", source, missing: 9, looked: 10, removed: [] }],
  "lock without a run": [{ kind: "lock without a run", runId, key }],
  "run without a lock": [{ kind: "run without a lock", runId, key, row: "r" }],
  "search rows": [{ kind: "search rows", source, rows: { length: 1 } }],
  "letters gone": [
    { kind: "letters gone", source, module: "thumbnail", letters: { length: 1 }, noted: 20 },
    { kind: "letters gone", source, module: "", letters: { length: 20 }, noted: 20 },
  ],
};

/** A command without what stands in quotes, where a shell looks for operators. */
function bare(command: string): string {
  return command.replaceAll(/'[^']*'/g, "");
}

describe("the command that mends a finding", () => {
  const commands = Object.values(FINDINGS).flatMap((findings) =>
    findings.flatMap((found) => {
      const command = commandFor(found, "jobs");
      return command === undefined ? [] : [[found.kind, command] as const];
    }),
  );

  test.each(commands)("is one command to a shell: %s", (_, command) => {
    expect(bare(command)).not.toMatch(/[|&;<>()$`*?[\]{}#~!]/);
  });

  test.each(commands.filter(([kind]) => kind !== "stray Job" && kind !== "overdue Job"))(
    "can be run as it is: %s",
    (_, command) => {
      expect(parsedBy(wordsOf(command))).toBe("");
    },
  );

  test("does nothing to an overdue Job until a person has chosen", () => {
    const command = commands.find(([kind]) => kind === "overdue Job")?.[1] ?? "";
    expect(parsedBy(wordsOf(command))).toContain(`Allowed choices are ${FORCED_OUTCOMES.join(", ")}`);
  });
});
