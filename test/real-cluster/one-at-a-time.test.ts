import { EventEmitter, once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { oneAtATime } from "../../real-cluster/one-at-a-time.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "dispatcher-one-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const lockFile = () => join(directory, "lock");
const quietly = (waits: string[] = [], signal = new AbortController().signal) => ({
  onWait: () => waits.push("waits"),
  signal,
});

describe("an act that is done one at a time", () => {
  it("is done once the other act is over, whether or not that succeeded, and leaves no file behind", async () => {
    const done: string[] = [];
    const waits: string[] = [];
    const broken = new EventEmitter();
    const first = oneAtATime(lockFile(), () => once(broken, "never"), quietly());
    first.catch(() => done.push("first"));
    await expect.poll(() => readdir(directory)).toEqual(["lock"]);
    const second = oneAtATime(lockFile(), async () => done.push("second"), quietly(waits));
    await expect.poll(() => waits).toEqual(["waits"]);
    broken.emit("error", new Error("it broke"));
    await second;
    expect(done).toEqual(["first", "second"]);
    expect(await readdir(directory)).toEqual([]);
  });

  it.each([
    ["of a process that is gone", JSON.stringify({ pid: process.pid, startTime: "1" })],
    ["with nonsense in it", "nonsense"],
  ])("is done in spite of a lock file %s", async (_, text) => {
    await writeFile(lockFile(), text);
    const waits: string[] = [];
    expect(await oneAtATime(lockFile(), async () => "done", quietly(waits))).toBe("done");
    expect(waits).toEqual([]);
  });

  it("gives up waiting if its signal is aborted", async () => {
    const aborted = new AbortController();
    const first = oneAtATime(lockFile(), () => new Promise<void>(() => {}), quietly());
    void first;
    await expect.poll(() => readdir(directory)).toEqual(["lock"]);
    const second = oneAtATime(lockFile(), async () => {}, quietly([], aborted.signal));
    aborted.abort();
    await expect(second).rejects.toThrow(/abort/i);
  });
});
