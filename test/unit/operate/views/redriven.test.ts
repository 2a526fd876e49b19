import { describe, expect, it } from "vitest";
import { foundLetter } from "../../../../cli/dead/found-letter.ts";
import { sentencesOf } from "../../../../cli/runs/explain.ts";
import { whyText } from "../../../../cli/runs/ls.ts";
import { linesOf } from "../../../../cli/runs/show.ts";
import { deadLetter } from "../../../../shared/operate/views/dead-letters.ts";
import { explain } from "../../../../shared/operate/views/explain.ts";
import { showRun } from "../../../../shared/operate/views/run.ts";
import { listRuns } from "../../../../shared/operate/views/runs.ts";
import { type ClosedStatus, isRedrivable, runId } from "../../../../shared/run/run.ts";
import { aRun, closing, T0 } from "../../../support/a-run.ts";
import { apiOf } from "../../../support/api-of.ts";
import { makeWorld, SOURCE, type World } from "../../../support/world.ts";

const FAILED = { outcome: "failed", reason: "JobFailed", description: "no Job, attempt 1 of 1: disk is full" } as const;
const first = aRun({ sequenceNumber: 3 });
const second = { ...first, redrive: 1 };

/** A run that failed, and whose dead letter was redriven once. */
async function withRedriven(status: ClosedStatus | "open"): Promise<World> {
  const world = makeWorld();
  await world.table.registerSource(SOURCE);
  await world.table.close(await world.table.insert(first), closing(first, { status: "failed", verdict: FAILED }));
  const earlier = (await world.table.letterRuns(SOURCE, [first])).values().next().value;
  if (earlier?.kind !== "closed") throw new Error("not closed");
  const stored = await world.table.claim(second, earlier);
  if (status !== "open")
    await world.table.close(stored, closing(second, { status, verdict: { ...FAILED, outcome: status } }));
  return world;
}

async function shownLines(world: World): Promise<string> {
  const shown = await showRun(world.deps, first);
  if (shown === undefined || shown === "newer") throw new Error("no run");
  return [...linesOf(shown, T0)].map(([name, value]) => `${name} ${value}`).join("\n");
}

describe("a run whose dead letter was redriven", () => {
  it("is meant by no id of its message any more, but the redriven one is", async () => {
    const world = await withRedriven("open");
    const { said } = await apiOf(world).get(`/runs/${encodeURIComponent(first.messageId)}`);
    expect(said).toMatchObject({ run: { id: runId(second) } });
  });

  it.each([
    ["open", "is not over"],
    ["succeeded", "succeeded"],
    ["failed", "failed"],
    ["withdrawn", "was withdrawn"],
  ] as const)("says as what, and what became of it, if that is %s", async (status, became) => {
    const world = await withRedriven(status);
    const said = `redriven as ${runId(second)}, which ${became}`;
    const lines = await shownLines(world);
    expect(lines).toContain(`dead-lettered, and ${said}. See: dispatcher runs show ${runId(second)}`);
    expect(lines).not.toContain("dead show");
    const explained = await explain(world.deps, first);
    if (explained === undefined || explained === "newer") throw new Error("no run");
    expect(sentencesOf(explained)).toContain(`It was ${said}.`);
    const { runs } = await listRuns(world.deps, { which: "closed", since: T0 }, { limit: 9 });
    const row = runs.find(({ id }) => id === runId(first));
    expect(row && whyText(row, T0)).toBe(`redriven (:r1), which ${became}; ${FAILED.description}`);
  });

  it.each([
    ["open", "is not over"],
    ["succeeded", "succeeded"],
  ] as const)("is no dead letter any more, and is not said to be %s itself", async (status, became) => {
    const world = await withRedriven(status);
    const found = await deadLetter(world.deps, runId(first));
    expect(() => foundLetter(runId(first), found)).toThrow(
      `${runId(first)}: it was redriven as ${runId(second)}, which ${became}`,
    );
  });

  it.each([
    ["open", `The dead letter of run ${runId(first)} is redriven now, as run ${runId(second)}.`],
    ["succeeded", `The dead letter of run ${runId(first)} was redriven as run ${runId(second)} (succeeded).`],
  ] as const)("has no letter for the API if its last run is %s, which the answer names", async (status, detail) => {
    const world = await withRedriven(status);
    const answer = await apiOf(world).get(`/dead-letters/${encodeURIComponent(runId(first))}`);
    expect(answer).toMatchObject({ status: 404, said: { detail } });
  });

  it.each([
    ["open", false],
    ["succeeded", false],
    ["failed", false],
    ["withdrawn", true],
  ] as const)("is offered for no redrive, unless that was withdrawn, if its last run is %s", async (status, want) => {
    const shown = await showRun((await withRedriven(status)).deps, first);
    if (shown === undefined || shown === "newer") throw new Error("no run");
    expect(isRedrivable(shown.run, shown.redriven)).toBe(want);
    expect(isRedrivable(shown.run)).toBe(true);
  });

  it("is the last one itself, and says nothing of a redrive then", async () => {
    const world = await withRedriven("failed");
    expect(await showRun(world.deps, second)).not.toHaveProperty("redriven");
  });
});
