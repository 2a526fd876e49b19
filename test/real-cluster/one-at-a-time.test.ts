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

const sign = () => join(directory, "lock");
const quietly = (waits: string[] = [], signal = new AbortController().signal) => ({
  onWait: () => waits.push("waits"),
  signal,
});

describe("what is done one at a time", () => {
  it("is done once the other is through, whether or not that one succeeded, and leaves nothing behind", async () => {
    const done: string[] = [];
    const waits: string[] = [];
    const broken = new EventEmitter();
    const first = oneAtATime(sign(), () => once(broken, "never"), quietly());
    first.catch(() => done.push("first"));
    await expect.poll(() => readdir(directory)).toEqual(["lock"]);
    const second = oneAtATime(sign(), async () => done.push("second"), quietly(waits));
    await expect.poll(() => waits).toEqual(["waits"]);
    broken.emit("error", new Error("it broke"));
    await second;
    expect(done).toEqual(["first", "second"]);
    expect(await readdir(directory)).toEqual([]);
  });

  it.each([
    ["of a process that is gone", JSON.stringify({ pid: process.pid, startTime: "1" })],
    ["of nobody", "nonsense"],
  ])("is done in spite of the sign %s", async (_, text) => {
    await writeFile(sign(), text);
    const waits: string[] = [];
    expect(await oneAtATime(sign(), async () => "done", quietly(waits))).toBe("done");
    expect(waits).toEqual([]);
  });

  it("is not waited for any longer than its signal says", async () => {
    const aborted = new AbortController();
    const first = oneAtATime(sign(), () => new Promise<void>(() => {}), quietly());
    void first;
    await expect.poll(() => readdir(directory)).toEqual(["lock"]);
    const second = oneAtATime(sign(), async () => {}, quietly([], aborted.signal));
    aborted.abort();
    await expect(second).rejects.toThrow(/abort/i);
  });
});
