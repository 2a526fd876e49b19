import { expect, test } from "vitest";
import { readRuns } from "../../cli/runs/ls.ts";
import { oneRun } from "../../cli/runs/one-run.ts";
import { makeOperator } from "../../shared/operate/operator.ts";
import { runId } from "../../shared/run/run.ts";
import { aRun, T0 } from "../support/a-run.ts";
import { makeWorld, SOURCE } from "../support/world.ts";

/** So many runs in one source, each enqueued a millisecond after the one before. */
async function worldOf(count: number) {
  const world = makeWorld();
  await world.table.registerSource(SOURCE);
  const runs = Array.from({ length: count }, (_, index) =>
    aRun({ sequenceNumber: index + 1, enqueuedAt: T0 + index, correlationId: "order-1", messageId: `m-${index + 1}` }),
  );
  for (const run of runs) await world.table.insert(run);
  return { world, operator: makeOperator(world.deps, world.log), runs };
}

test("of many runs with one correlation id the newest are named, and the list begins with the newest", async () => {
  const { world, operator, runs } = await worldOf(1_150);
  const newest = runs.toReversed().map(runId);
  await expect(oneRun(operator, "order-1", {})).rejects.toThrow(
    `More than 100 runs have the correlation id order-1. Give the id of one run; the newest are: ${newest.slice(0, 5).join(" ")}`,
  );
  const listed = await readRuns(operator, world, { messageId: "order-1", limit: 3 });
  expect(listed.runs.map(({ id }) => id)).toEqual(newest.slice(0, 3));
});

test("the newest are found though a page lacks a row that can't be read, and not claimed if there are too many", async () => {
  const { world, runs } = await worldOf(2_500);
  let asked = 0;
  const withCorrelationId: typeof world.table.withCorrelationId = async (...query) => {
    asked += 1;
    const page = await world.table.withCorrelationId(...query);
    return page.filter(({ sequenceNumber }) => sequenceNumber !== 7);
  };
  const operator = makeOperator({ ...world.deps, table: { ...world.deps.table, withCorrelationId } }, world.log);
  const newest = runs.toReversed().map(runId);
  await expect(oneRun(operator, "order-1", {})).rejects.toThrow(`the newest are: ${newest.slice(0, 5).join(" ")}`);

  asked = 0;
  const endless: typeof withCorrelationId = async () => {
    asked += 1;
    return runs.slice(0, 1_000);
  };
  const table = { ...world.deps.table, withCorrelationId: endless };
  const busy = makeOperator({ ...world.deps, table }, world.log);
  await expect(oneRun(busy, "order-1", {})).rejects.toThrow(/^More than 100 runs .*; some of them are: /);
  expect(asked).toBe(20);
});

test("a list by correlation id says so if it leaves some out", async () => {
  const { world, operator } = await worldOf(3);
  const listed = async (limit: number) => readRuns(operator, world, { messageId: "order-1", limit });
  expect((await listed(3)).more).toBeUndefined();
  expect((await listed(2)).more).toBe("there are older ones of them");
});

test("a long list has as many runs as were asked for, though one page reads fewer rows", async () => {
  const { world, operator } = await worldOf(6_010);
  const whole = await readRuns(operator, world, { limit: 10_000 });
  expect([whole.runs.length, whole.more]).toEqual([6_010, undefined]);
  const long = await readRuns(operator, world, { limit: 6_000 });
  expect([long.runs.length, long.more]).toEqual([
    6_000,
    expect.stringMatching(/^there are more; go on with: --after /),
  ]);
});

test("a short list of few among many says how far it came after one page", async () => {
  const { world, operator } = await worldOf(5_100);
  const none = await readRuns(operator, world, { status: "settling", limit: 100 });
  expect([none.runs.length, none.more]).toEqual([0, expect.stringMatching(/^there are more, after 5000 rows/)]);
});
