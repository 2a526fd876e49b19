import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { PROJECT_ROOT } from "../../local/stack/project-root.ts";
import type { Finding } from "../../prove/audit/audit.ts";
import { buildRelease } from "../../prove/proof/build-release.ts";
import { play } from "../../prove/twins/run-twin.ts";
import type { Scene } from "../../prove/twins/scene.ts";
import type { Script } from "../../prove/twins/script.ts";

/**
 * The first commit whose rows have version 1. From it on, each release has to work beside the next one, and after it
 * again if an upgrade is taken back.
 */
const VERSION_1 = "2c5656d64ce3035781b4bd89b0a1c112142f47fe";

const PRESENT = join(PROJECT_ROOT, "dist/functions/index.js");
const QUIET = () => {};
/** A story and what comes after it end in less than a test's time, so that what was found is said. */
const PATIENCE_MS = 90_000;
/** The replicas of the earlier release, and those of this one, where four share the work. */
const EARLIER = [0, 2];
const LATEST = [1, 3];

let before: string;
beforeAll(async () => {
  before = await buildRelease(VERSION_1);
}, 300_000);

/** The release of before writes no rows by which people find runs. */
const isNote = ({ kind }: Finding) => kind === "note";

/** Finds the row of an open run, wherever it stands. */
async function openRow({ table }: Scene, messageId: string) {
  for await (const row of table.listEntities<{ messageId?: string; status?: string }>()) {
    const { rowKey = "", partitionKey = "" } = row;
    if (/^(work|wait|later)\|/.test(rowKey) && row.messageId === messageId) return { ...row, rowKey, partitionKey };
  }
  return undefined;
}

/** Changes columns of an open run's row, whatever the app does to it meanwhile. */
async function edit(scene: Scene, messageId: string, columns: object): Promise<string> {
  for (;;) {
    const row = await openRow(scene, messageId);
    if (row?.status === "dispatched") {
      const { partitionKey, rowKey, etag } = row;
      const isDone = await scene.table
        .updateEntity({ partitionKey, rowKey, ...columns }, "Merge", { etag: etag ?? "*" })
        .then(() => true)
        .catch(() => false);
      if (isDone) return rowKey;
    }
    await sleep(50);
  }
}

/** Resolves when one of these replicas has ticked. */
async function tickOf(script: Script, replicas: readonly number[]): Promise<void> {
  const ticks = replicas.map((replica) => script.catch("record the tick", "after", { replica }));
  for (const tick of ticks)
    void tick.then((caught) => {
      caught.goOn();
    });
  await Promise.race(ticks);
}

describe("the release whose rows have version 1", () => {
  it("shares the work with this one, while replicas of both are killed", { timeout: 300_000 }, async () => {
    const { findings } = await play(
      {
        replicas: 4,
        forgives: isNote,
        async play({ script, send, until }) {
          for (const edge of ["update a run to dispatched", "update a run to settling", "close a run"] as const)
            for (const replica of [0, 1])
              void script.catch(edge, "before", { replica }).then((caught) => {
                caught.kill();
              });
          for (let round = 1; round <= 4; round += 1)
            for (const kind of ["success", "retry", "exhausted", "permanent", "big"] as const) await send(kind);
          await until("all are over", ({ closed }) => closed.length === 20);
        },
      },
      { apps: [before, PRESENT] },
      PATIENCE_MS,
      QUIET,
    );
    expect(findings).toEqual([]);
  });

  it("leaves redriven runs, their letters and their Jobs alone, while replicas of both are killed", {
    timeout: 300_000,
  }, async () => {
    const { findings } = await play(
      {
        replicas: 4,
        forgives: isNote,
        async play({ script, send, until, freeze }) {
          // Only one replica ticks, and an earlier release redrives nothing. So the releases take the ticks in turns.
          const wakeBefore = EARLIER.map(freeze);
          for (const edge of ["update a run to settling", "close a run", "retire a job"] as const)
            for (const replica of [0, 1])
              void script.catch(edge, "before", { replica }).then((caught) => {
                caught.kill();
              });
          const claim = script.catch("claim a letter", "after");
          for (let round = 1; round <= 6; round += 1)
            for (const kind of ["redriven", "redriven in vain", "big"] as const) await send(kind);

          const claimed = await claim;
          const wakePresent = LATEST.map(freeze);
          claimed.goOn();
          for (const wake of wakeBefore) wake();
          for (let ticks = 1; ticks <= 3; ticks += 1) await tickOf(script, EARLIER);

          const wakeAtLast = EARLIER.map(freeze);
          for (const wake of wakePresent) wake();
          await until(
            "each letter was redriven, and its run is over",
            ({ closed }) => closed.filter(({ redrive, status }) => redrive && status !== "withdrawn").length === 12,
          );
          for (const wake of wakeAtLast) wake();
        },
      },
      { apps: [before, PRESENT] },
      PATIENCE_MS,
      QUIET,
    );
    expect(findings).toEqual([]);
  });

  it("carries a column that a newer release wrote to the end of the run", { timeout: 300_000 }, async () => {
    const kept: unknown[] = [];
    const { findings } = await play(
      {
        replicas: 1,
        forgives: isNote,
        async play(scene) {
          const id = await scene.send("retry");
          await edit(scene, id, { mood: "good" });
          await scene.until("it is over", ({ closed }) => closed.length === 1);
          for await (const { rowKey, mood } of scene.table.listEntities<{ mood?: string }>())
            if (rowKey?.startsWith("run|")) kept.push(mood);
        },
      },
      { apps: [before] },
      PATIENCE_MS,
      QUIET,
    );
    expect(kept).toEqual(["good"]);
    expect(findings).toEqual([]);
  });

  it("leaves a row of a newer version alone, and counts its slot", { timeout: 300_000 }, async () => {
    const seen: unknown[] = [];
    await play(
      {
        replicas: 1,
        async play(scene) {
          const first = await scene.send("one at a time");
          await edit(scene, first, { version: 2, mood: "good" });
          const second = await scene.send("one at a time");
          await scene.send("success");
          await scene.until("another module's message is over", ({ closed }) => closed.length === 1);
          // Its Job is long over by then, and some ticks have passed.
          await sleep(8_000);
          seen.push((await openRow(scene, first))?.status, (await openRow(scene, second))?.status);
          await edit(scene, first, { version: 1 });
          await scene.until("both are over", ({ closed }) => closed.length === 3);
        },
      },
      { apps: [before] },
      PATIENCE_MS,
      QUIET,
    );
    expect(seen).toEqual(["dispatched", "waiting"]);
  });
});
