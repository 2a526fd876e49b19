import { expect, it } from "vitest";
import { sentencesOf } from "../../../../cli/runs/explain.ts";
import { linesOf } from "../../../../cli/runs/show.ts";
import { makeOperator } from "../../../../shared/operate/operator.ts";
import { runId } from "../../../../shared/run/run.ts";
import { BY_HAND } from "../../../support/a-person.ts";
import { T0 } from "../../../support/a-run.ts";
import { makeWorld, ticks, type World, withRun } from "../../../support/world.ts";

const BY = "cancelled by ada@laptop at 2026-01-01T00:00:00Z: it has to be";

/** What `runs show` and `runs explain` say of a run. */
async function said(world: World, key: Parameters<typeof runId>[0]): Promise<string> {
  const operator = makeOperator(world.deps, world.log);
  const [shown, explained] = await Promise.all([operator.show(key), operator.explain(key)]);
  if (!shown || shown === "newer" || !explained || explained === "newer") throw new Error("no run");
  const lines = [...linesOf(shown, T0)].map(([name, value]) => `${name} ${value}`);
  return [...lines, ...sentencesOf(explained)].join("\n");
}

it("who cancelled a run, and why, is said at the run, and its Job was ended for that", async () => {
  const world = await withRun();
  const key = world.run();
  const job = world.jobName();
  await makeOperator(world.deps, world.log).cancel([runId(key)], BY_HAND);
  const [byHand, sentence] = [`by hand ${BY}`, `By hand: ${BY}`];
  expect((await said(world, key)).split("\n")).toEqual(expect.arrayContaining([byHand, sentence]));
  await ticks(world, () => world.open().length === 0);
  const { status } = world.cluster.job(job);
  expect(JSON.stringify(status)).toContain("DeadlineExceeded");
  const text = await said(world, key);
  expect(text.split("\n")).toEqual(expect.arrayContaining([byHand, sentence]));
  expect(text).toMatch(/^job .*: failed, retired: the Dispatcher ended it: the run was cancelled$/m);
});

it("what was done to one run is found by it", async () => {
  const world = makeWorld();
  await world.send({ messageId: "m-1" });
  await world.send({ messageId: "m-2" });
  const operator = makeOperator(world.deps, world.log);
  const [first, second] = world.open();
  if (!first || !second) throw new Error("no runs");
  await operator.cancel([first, second].map(runId), BY_HAND);
  const { actions } = await operator.actions({ limit: 9, run: second });
  expect(actions.map(({ subject }) => subject)).toEqual([runId(second)]);
});
