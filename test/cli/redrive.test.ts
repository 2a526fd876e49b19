import { expect, test } from "vitest";
import { whyNotThere } from "../../cli/dead/found-letter.ts";
import { missingFrom, wantedBy } from "../../cli/dead/redrive.ts";
import { makeOperator } from "../../shared/operate/operator.ts";
import { type ClosedRun, type Run, runId } from "../../shared/run/run.ts";
import { aRun, closing, T0 } from "../support/a-run.ts";
import { runProgram } from "../support/run-program.ts";
import { makeWorld, SOURCE } from "../support/world.ts";

/** What a command says that is refused for its flags. */
async function refused(args: readonly string[]): Promise<string> {
  const running = runProgram("cli", { args: [...args] });
  expect(await running.ended).toBe(2);
  return running.said.stderr;
}

test("several groups are wanted one after the other, each once", () => {
  expect(wantedBy({ group: ["AA", "bb", "aa"], reason: "JobFailed" }, [])).toEqual([
    { reason: "JobFailed", group: "aa" },
    { reason: "JobFailed", group: "bb" },
  ]);
  expect(wantedBy({ module: "-", exitCode: 64 }, [])).toEqual([{ module: "", exitCode: 64 }]);
});

test("more names than one order can hold are wanted one part after the other", () => {
  const runs = Array.from({ length: 1_200 }, (_, index) => aRun({ sequenceNumber: index + 1 }));
  const wanted = wantedBy({}, runs);
  expect(wanted.map((part) => part.runs?.length)).toEqual([500, 500, 200]);
  expect(wanted.flatMap((part) => part.runs ?? [])).toEqual(runs.map(runId));
  const long = Array.from({ length: 600 }, (_, index) => `"${String(index).padStart(126, "x")}"`);
  const parts = wantedBy({ module: "render", messageId: [...long, ...long] }, []);
  expect(parts.flatMap((part) => part.messageIds ?? [])).toEqual(long);
  // One column holds 32,768 characters, and the row of the action writes the JSON once more as JSON.
  for (const part of [...wanted, ...parts])
    expect(JSON.stringify({ wanted: JSON.stringify(part) }).length).toBeLessThan(32_000);
});

test("what was named and has no letter is told from what has one", () => {
  const [there, gone] = [aRun({ sequenceNumber: 1 }), aRun({ sequenceNumber: 2 })];
  const plans = [{ met: { runs: [runId(there)], messageIds: ["m-1"] }, wanted: { group: "aa" } }];
  expect(missingFrom(plans, { messageId: ["m-1", "m-2"], group: ["AA", "bb"] }, [there, gone])).toEqual({
    runs: [gone],
    messageIds: ["m-2"],
    groups: ["bb"],
  });
  expect(missingFrom(plans, {}, [there])).toEqual({ runs: [], messageIds: [], groups: [] });
});

test("a run whose letter is not there says why", async () => {
  const world = makeWorld();
  await world.table.registerSource(SOURCE);
  const end = async (run: Run, over: Partial<ClosedRun>) =>
    world.table.close(await world.table.insert(run), closing(run, over));
  const verdict = {
    outcome: "failed",
    reason: "JobFailed",
    exitCode: 64,
    description: "no Job: disk is full",
  } as const;
  await end(aRun({ sequenceNumber: 1 }), { status: "failed", verdict, closedAt: T0 });
  const run = aRun({ sequenceNumber: 9 });
  await end(run, { status: "succeeded" });
  const operator = makeOperator(world.deps, world.log);
  const why = async (id: string) => whyNotThere(id, await operator.deadLetter(id));
  expect(await why(runId(run))).toMatch(/:9:\d+: its message was not dead-lettered, because its run succeeded$/);
  expect(await why(runId(aRun({ sequenceNumber: 1 })))).toMatch(/is not in the dead letter queue any more/);
});

test.each([
  [["dead", "redrive", "--group", "a", "--group", "b", "--no-wait"], "one after the other, so leave out --no-wait"],
  [["dead", "redrive", "--run", "a", "--exit-code", "7"], "cannot be used with option '--exit-code <n>'"],
  [["dead", "redrive", "--since", "1d", "--until", "2d"], "--until is not later"],
  [["dead", "ls", "--group", "a", "--group", "b"], "Give one group. Only dead redrive takes several."],
  [["dead", "purge", "--group", "a", "--group", "b"], "Give one group. Only dead redrive takes several."],
  [["runs", "ls", "--closed", "--status", "waiting"], "no run that is over can be waiting"],
  [["runs", "ls", "--since", "1d", "--until", "2d"], "--until is not later"],
  [["runs", "ls", "--exit-code", "4", "--status", "held"], "a run that is held has no exit code"],
  [["dead", "ls", "--since", "1d", "--until", "2d"], "--until is not later"],
])("%j is refused", async (args, why) => {
  expect(await refused(args)).toContain(why);
});
