import { expect, test } from "vitest";
import { whyNotThere } from "../../cli/dead/found-letter.ts";
import { wantedBy } from "../../cli/dead/redrive.ts";
import { makeOperator } from "../../shared/operate/operator.ts";
import { notedLetter } from "../../shared/run/dead-letter.ts";
import { runId } from "../../shared/run/run.ts";
import { aRun, closing, T0 } from "../support/a-run.ts";
import { runProgram } from "../support/run-program.ts";
import { makeWorld, SOURCE } from "../support/world.ts";

/** What a command says that is refused for its flags. */
async function refused(args: readonly string[]): Promise<string> {
  const running = runProgram("cli", { args: [...args] });
  expect(await running.ended).toBe(2);
  return running.said.stderr;
}

/** A world with the dead letters of runs that ended with these exit codes. */
async function withDead(...exitCodes: readonly number[]) {
  const world = makeWorld();
  await world.table.registerSource(SOURCE);
  const groups: string[] = [];
  for (const [index, exitCode] of exitCodes.entries()) {
    const run = aRun({ sequenceNumber: index + 1 });
    const verdict = { outcome: "failed", reason: "JobFailed", exitCode, description: "no Job: disk is full" } as const;
    const closed = closing(run, { status: "failed", verdict, closedAt: T0 + index });
    await world.table.close(await world.table.insert(run), closed);
    groups.push(notedLetter(closed)?.group.id ?? "");
  }
  return { world, operator: makeOperator(world.deps, world.log), groups };
}

test("several groups are wanted one after the other, each once", async () => {
  const { operator } = await withDead();
  expect(await wantedBy(operator, { group: ["AA", "bb", "aa"], reason: "JobFailed" }, [])).toEqual([
    { reason: "JobFailed", group: "aa" },
    { reason: "JobFailed", group: "bb" },
  ]);
  expect(await wantedBy(operator, { module: "-" }, [])).toEqual([{ module: "" }]);
});

test("an exit code means the groups that have it", async () => {
  const { operator, groups } = await withDead(64, 7, 64);
  expect(await wantedBy(operator, { exitCode: 64 }, [])).toEqual([{ group: groups[0] }]);
  expect(await wantedBy(operator, { exitCode: 3 }, [])).toEqual([]);
});

test("a run whose letter is not there says why", async () => {
  const { world, operator } = await withDead(64);
  const run = aRun({ sequenceNumber: 9 });
  await world.table.close(await world.table.insert(run), closing(run, { status: "succeeded" }));
  const why = async (id: string) => whyNotThere(id, await operator.deadLetter(id));
  expect(await why(runId(run))).toMatch(/:9:\d+: its message was not dead-lettered, because its run succeeded$/);
  expect(await why(runId(aRun({ sequenceNumber: 1 })))).toMatch(/is not in the dead letter queue any more/);
});

test.each([
  [["dead", "redrive", "--group", "a", "--group", "b", "--no-wait"], "one after the other, so leave out --no-wait"],
  [["dead", "redrive", "--exit-code", "7", "--group", "a"], "cannot be used with option '--group <id...>'"],
  [["dead", "ls", "--group", "a", "--group", "b"], "Give one group. Only dead redrive takes several."],
  [["dead", "purge", "--group", "a", "--group", "b"], "Give one group. Only dead redrive takes several."],
  [["runs", "ls", "--closed", "--status", "waiting"], "no run that is over can be waiting"],
  [["runs", "ls", "--since", "1d", "--until", "2d"], "--until is not later"],
  [["runs", "ls", "--exit-code", "4", "--status", "held"], "a run that is held has no exit code"],
  [["dead", "ls", "--since", "1d", "--until", "2d"], "--until is not later"],
])("%j is refused", async (args, why) => {
  expect(await refused(args)).toContain(why);
});
