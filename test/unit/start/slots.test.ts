import { describe, expect, it } from "vitest";
import type { Run } from "../../../shared/run/run.ts";
import { makeAdmission } from "../../../shared/start/admission.ts";
import { countTaken, freeSlots } from "../../../shared/start/slot-demand.ts";
import { makeSlots } from "../../../shared/start/slots.ts";
import { aModule } from "../../support/a-module.ts";
import { aRun } from "../../support/a-run.ts";
import { makeFakeRunTable } from "../../support/fake-run-table.ts";
import { makeTestClock } from "../../support/test-clock.ts";

const clock = makeTestClock();
const NOW = clock.now();
const module = aModule({ maxActive: 3 });
const ofModule = { module: module.name, source: module.source };
const atWork = (sequenceNumber: number) => aRun({ ...ofModule, sequenceNumber, status: "dispatched" });
const due = (sequenceNumber: number) => aRun({ ...ofModule, sequenceNumber, status: "waiting", notBefore: NOW });
const noneTripped = { tripOf: () => undefined };
const nonePaused = { isPaused: () => false };

describe("the count of slots", () => {
  it("counts the Jobs at work, and nothing else", () => {
    const others = (["accepted", "waiting", "requeueing", "settling"] as const).map((status) =>
      aRun({ ...ofModule, status, notBefore: NOW }),
    );
    expect(countTaken([atWork(1), ...others], NOW).get(module.name)).toBe(1);
  });

  it("counts a Job that is being created, until a tick may look whether it is there", () => {
    const creating = aRun({ ...ofModule, status: "accepted", notBefore: NOW + 1 });
    expect(countTaken([creating], NOW).get(module.name)).toBe(1);
    expect(countTaken([creating], NOW + 1).get(module.name)).toBeUndefined();
  });

  it("leaves a module without open runs all its slots, and never leaves fewer than 0", () => {
    expect(freeSlots(module.maxActive, countTaken([], NOW).get(module.name))).toBe(3);
    expect(freeSlots(module.maxActive, 7)).toBe(0);
  });
});

async function counted(runs: Run[]) {
  const table = makeFakeRunTable({ clock });
  for (const run of runs) await table.insert(run);
  const admission = makeAdmission(table, clock, { slotsOf: ({ maxActive }) => maxActive });
  await admission.countAtWork(module.source);
  return admission;
}

describe("the slots of a tick", () => {
  const slotsFor = async (runs: Run[], facts = {}, modules = new Map([[module.name, module]])) =>
    makeSlots(
      { modules, wrongFiles: [] },
      {
        wrongCluster: false,
        breakers: noneTripped,
        limits: nonePaused,
        probing: new Set(),
        admission: await counted(runs),
        ...facts,
      },
    );

  it("are as many as maxActive leaves, and go to the runs that ask first", async () => {
    const slots = await slotsFor([atWork(1), due(2), due(3), due(4)]);
    expect([2, 3, 4].map((number) => slots.take(due(number)))).toEqual([
      { start: true },
      { start: true },
      { start: false, cause: "max-active" },
    ]);
  });

  it.each([
    { what: "its module was removed", facts: {}, modules: new Map(), cause: "module-removed" },
    {
      what: "its module takes messages from another source now",
      facts: {},
      run: { source: { queue: "moved" } },
      cause: "module-removed",
    },
    { what: "the cluster looks like the wrong one", facts: { wrongCluster: true }, cause: "wrong-cluster" },
    { what: "a person paused its module", facts: { limits: { isPaused: () => true } }, cause: "paused" },
    { what: "its module has tripped", facts: { breakers: { tripOf: () => ({}) } }, cause: "module-tripped" },
  ])("are refused to a run if $what", async ({ facts, run = {}, modules, cause }) => {
    expect((await slotsFor([], facts, modules)).take({ ...due(1), ...run })).toEqual({ start: false, cause });
  });

  it("are refused with the cause once the module is shut", async () => {
    const slots = await slotsFor([]);
    slots.shut(module.name, "quota");
    expect(slots.take(due(1))).toEqual({ start: false, cause: "quota" });
  });
});
