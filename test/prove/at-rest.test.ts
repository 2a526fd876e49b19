import { expect, test, vi } from "vitest";
import { untilAtRest } from "../../prove/audit/at-rest.ts";
import type { Finding } from "../../prove/audit/audit.ts";

const moving: Finding = { kind: "open", about: "r1", what: "it waits to be redriven" };
const torn: Finding = { kind: "note", about: "r1", what: "no dead row says JobFailed" };
const lost: Finding = { kind: "lost", about: "r1", what: "it is gone from the bus, and no row says why" };

/** Shows one list of findings after the other, and the last one for ever. */
function showing(...looks: (readonly Finding[])[]) {
  let seen = 0;
  const next = () => Promise.resolve({ findings: looks[Math.min(seen++, looks.length - 1)] ?? [] });
  return vi.fn<typeof next>(next);
}

const PATIENCE = { patienceMs: 60_000 };

test("a look that saw a change half done is not believed", async () => {
  expect(await untilAtRest(showing([moving], [torn], []), PATIENCE)).toEqual({ findings: [] });
});

test("what is still wrong when everything is at rest is found", async () => {
  expect(await untilAtRest(showing([moving], [lost]), PATIENCE)).toEqual({ findings: [lost] });
});

test("what moves again has not been at rest", async () => {
  const look = showing([], [moving], [torn], []);
  expect(await untilAtRest(look, PATIENCE)).toEqual({ findings: [] });
  expect(look).toHaveBeenCalledTimes(4);
});

test("it is looked at for as long as it has to rest", async () => {
  const began = performance.now();
  await untilAtRest(showing([]), { ...PATIENCE, restMs: 1_200 });
  expect(performance.now() - began).toBeGreaterThanOrEqual(1_200);
});

test("what moves is told after each look, and is found when the patience is over", async () => {
  const told: string[] = [];
  const found = await untilAtRest(showing([moving, lost]), {
    patienceMs: 100,
    onMoving: (left) => told.push(...left.map(({ what }) => what)),
  });
  expect(found).toEqual({ findings: [moving, lost] });
  expect(told).toEqual(["it waits to be redriven"]);
});
