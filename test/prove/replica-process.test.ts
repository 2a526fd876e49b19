import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { ReplicaProcess } from "../../prove/stage/replica-process.ts";

/** Starts a replica whose program is this text. */
async function startReplica(program: string) {
  const directory = await mkdtemp(join(tmpdir(), "replica-"));
  const file = join(directory, "main.mjs");
  await writeFile(file, program);
  const deaths: string[] = [];
  const replica = new ReplicaProcess({
    name: "replica 1",
    program: file,
    args: [],
    env: {},
    onLine: () => {},
    onDeath: (words) => deaths.push(words),
  });
  onTestFinished(async () => {
    await replica.stop();
    await rm(directory, { recursive: true });
  });
  void replica.start();
  return { replica, file, deaths };
}

const UP = `console.log(JSON.stringify({ ready: true, port: 7 })); setInterval(() => {}, 1_000);
process.once("disconnect", () => process.exit());`;

it("says why a replica can't be started, and tries again", async () => {
  const { replica, file } = await startReplica('console.error("no such row"); process.exit(3);');
  await expect(replica.upWithin(1_000)).rejects.toThrow(/replica 1 .* 1 s.*exit code 3.*no such row/s);
  await writeFile(file, UP);
  await replica.upWithin(10_000);
  expect(replica).toMatchObject({ isUp: true, port: 7 });
});

it("says that a replica is still frozen, whose start did not fail", async () => {
  const { replica, deaths } = await startReplica(UP);
  await replica.upWithin(10_000);
  const frozen = replica.freeze(2_000);
  await expect(replica.upWithin(500)).rejects.toThrow("replica 1 was not up within 0.5 s: it is frozen");
  await frozen;
  await replica.upWithin(0);
  expect(deaths).toEqual([]);
});
