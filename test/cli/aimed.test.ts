import { describe, expect, test, vi } from "vitest";
import { asJson } from "../../cli/audit/audit.ts";
import { printAnswers } from "../../cli/repair/print-answers.ts";
import { oneRun } from "../../cli/runs/one-run.ts";
import { linesOf, noContentLines } from "../../cli/runs/show.ts";
import { statusText } from "../../cli/status/status-text.ts";
import { aimed, aimedSentence, commandHere } from "../../cli/target/aimed.ts";
import { refused } from "../../shared/operate/answer.ts";
import { makeOperator } from "../../shared/operate/operator.ts";
import { runId } from "../../shared/run/run.ts";
import { T0 } from "../support/a-run.ts";
import { makeWorld, ticks } from "../support/world.ts";

// What a command prints to be pasted is about the Dispatcher that it was called for.

const FLAGS = { context: "my prod", namespace: "acme" };
const HERE = "'--context=my prod' --namespace=acme";

/** What is written to stdout meanwhile. */
function printed(act: () => void): string {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  act();
  const text = write.mock.calls.map(([part]) => String(part)).join("");
  write.mockRestore();
  return text;
}

describe("a printed command", () => {
  test("has the flags by which the Dispatcher was named, and none if it was found", () => {
    expect(commandHere(["runs", "ls"], FLAGS)).toBe(`dispatcher runs ls ${HERE}`);
    expect(commandHere(["runs", "ls"], { context: "prod" })).toBe("dispatcher runs ls --context=prod");
    expect(commandHere(["runs", "ls"], {})).toBe("dispatcher runs ls");
    expect(aimed("dispatcher audit", {})).toBe("dispatcher audit");
  });

  test("tells kubectl the context, and keeps the namespace of the Jobs", () => {
    expect(aimed("kubectl -n jobs delete job a", FLAGS)).toBe("kubectl -n jobs delete job a '--context=my prod'");
    expect(aimed("kubectl -n jobs delete job a", { namespace: "acme" })).toBe("kubectl -n jobs delete job a");
  });

  test("has them at the end of a sentence, and no other sentence has", () => {
    expect(aimedSentence("It is held. See: dispatcher audit", FLAGS)).toBe(`It is held. See: dispatcher audit ${HERE}`);
    expect(aimedSentence("The dispatcher is away", FLAGS)).toBe("The dispatcher is away");
  });
});

describe("what a command prints with --context", () => {
  test("audit: each command of JSON", () => {
    const report = {
      findings: [
        { kind: "mass absence", absent: 20 },
        { kind: "stray Job", jobName: "a" },
        { kind: "overdue Job", runId: "a:1:1", jobName: "a", overdueMs: 1 },
      ],
      looked: { "open runs": 0, Jobs: 0, messages: 0, "dead letters": 0, rows: 0 },
      tooYoung: [],
      unfinished: [],
    } as const;
    const { findings } = asJson(report, [], { namespace: "jobs", flags: FLAGS });
    for (const { command } of findings) expect(command).toContain("'--context=my prod'");
  });

  test("an action: the command that ends a redrive", () => {
    const answer = refused({ because: "redrive at work", who: "ada", orderedAt: T0 });
    expect(printed(() => printAnswers([["renders", answer]], FLAGS))).toContain(
      `dispatcher dead abort renders ${HERE}`,
    );
  });

  test("runs show: the command that shows a dead letter", async () => {
    const world = makeWorld();
    await world.send();
    world.cluster.fail(world.jobName(), 64);
    await ticks(world, () => world.open().length === 0);
    const [run] = world.closed();
    const shown = run && (await makeOperator(world.deps, world.log).show(run));
    if (!run || !shown || shown === "newer") throw new Error("no run");
    const lines = [...linesOf(shown, T0, FLAGS), ...noContentLines(shown, FLAGS)].map(([, text]) => text);
    expect(lines).toContain(`dead-lettered. See: dispatcher dead show ${runId(run)} ${HERE}`);
    expect(lines).toContain(`in the dead letter queue. See: dispatcher dead show ${runId(run)} --content ${HERE}`);
  });

  test("status: the audit", async () => {
    const status = await makeOperator(makeWorld().deps, makeWorld().log).status();
    const text = statusText({ ...status, problems: [{ kind: "overdue", count: 2, at: T0 }] }, FLAGS);
    expect(text).toContain(`See: dispatcher audit ${HERE}`);
  });

  test("any that takes a run: the list of runs, if there is none", async () => {
    const { deps, log } = makeWorld();
    await expect(oneRun(makeOperator(deps, log), "nothing", FLAGS)).rejects.toThrow(`dispatcher runs ls ${HERE}`);
  });
});
