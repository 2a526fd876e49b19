import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { startOf } from "../../local/cluster/kubelet/process-start.ts";
import { busKeyFileIn, forgetState, instanceIn, notePids, openState } from "../../local/stack/kept-state.ts";
import { releaseLock } from "../../local/stack/state-lock.ts";
import { type InterruptionOptions, makeInterruption } from "../../local/start/interruption.ts";
import { loadedText } from "../../local/start/introduce.ts";
import { changesOf } from "../../local/start/watch-files.ts";

describe("Ctrl-C", () => {
  function press(over: Partial<InterruptionOptions> = {}) {
    const said: string[] = [];
    const stop = vi.fn<() => void>();
    let ms = 0;
    const options = {
      jobsAtWork: async () => 2,
      isTerminal: true,
      say: (line: string) => said.push(line),
      now: () => ms,
    };
    const interrupt = makeInterruption(stop, { ...options, ...over });
    return { said, stop, interrupt, wait: (more: number) => (ms += more) };
  }

  test("stops at once if no Job is at work, if that can't be told, and without a terminal", async () => {
    for (const over of [
      { jobsAtWork: async () => 0 },
      { jobsAtWork: () => Promise.reject(new Error("away")) },
      { isTerminal: false },
    ]) {
      const { interrupt, stop, said } = press(over);
      await interrupt();
      expect(stop).toHaveBeenCalledTimes(1);
      expect(said).toEqual([]);
    }
  });

  test("says how many Jobs would end, and stops when it is pressed again", async () => {
    const { interrupt, stop, said, wait } = press();
    await interrupt();
    // A terminal and npm both pass on the same press.
    wait(10);
    await interrupt();
    expect(stop).not.toHaveBeenCalled();
    expect(said).toEqual([
      "2 Jobs are at work and would end. At the next start they would count as interrupted, and be tried again. To stop now, press Ctrl-C again within 10 s.",
    ]);
    wait(5_000);
    await interrupt();
    expect(stop).toHaveBeenCalledTimes(1);
  });

  test("warns anew if the second one comes late", async () => {
    const { interrupt, stop, said, wait } = press();
    await interrupt();
    wait(10_001);
    await interrupt();
    expect(stop).not.toHaveBeenCalled();
    expect(said).toHaveLength(2);
  });
});

describe("in a directory", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "up-"));
    return () => rm(directory, { recursive: true, force: true });
  });

  test("changed module files are told once, when they are whole, and other files are not", async () => {
    const ended = new AbortController();
    const changes: (readonly string[])[] = [];
    await writeFile(join(directory, "a.yaml"), "a");
    const watching = (async () => {
      for await (const names of changesOf(directory, ended.signal)) changes.push(names);
    })();
    await new Promise((done) => setTimeout(done, 200));
    await writeFile(join(directory, "notes.txt"), "x");
    await writeFile(join(directory, "a.yaml"), "ab");
    await writeFile(join(directory, "b.json"), "{}");
    await vi.waitFor(() => expect(changes).toEqual([["a.yaml", "b.json"]]), 5_000);
    await rm(join(directory, "b.json"));
    await vi.waitFor(() => expect(changes).toHaveLength(2), 5_000);
    ended.abort();
    await watching;
    expect(changes[1]).toEqual(["b.json"]);
    expect(loadedText(["a.yaml", "b.json"], 42)).toBe(
      "Loaded the changed module files: a.yaml, b.json. Jobs went on meanwhile. The Dispatcher is process 42 now.",
    );
  });

  test("a stack keeps the name of its instance, until it is forgotten", async () => {
    const state = join(directory, "state");
    await openState(state);
    const name = await instanceIn(state);
    expect(name).toMatch(/^local-[0-9a-f]{6}$/);
    expect(await instanceIn(state)).toBe(name);
    await forgetState(state);
    await openState(state);
    expect(await instanceIn(state)).not.toBe(name);
  });

  test("a stack keeps the key of its bus, for this user alone, until it is forgotten", async () => {
    await openState(directory);
    const file = await busKeyFileIn(directory);
    const key = await readFile(file, "utf8");
    expect(Buffer.from(key, "base64")).toHaveLength(32);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(await busKeyFileIn(directory), "utf8")).toBe(key);
    await forgetState(directory);
    expect(await readFile(await busKeyFileIn(directory), "utf8")).not.toBe(key);
  });

  test("a stack waits for the processes of an earlier start", async () => {
    await openState(directory);
    notePids(directory, [process.pid]);
    const opened = vi.fn<() => void>();
    const opening = openState(directory).then(opened);
    await new Promise((done) => setTimeout(done, 300));
    expect(opened).not.toHaveBeenCalled();
    notePids(directory, [2 ** 30]);
    await opening;
  });

  test("only one of two stacks that start at once has the directory", async () => {
    const file = join(directory, "lock");
    await openState(directory);
    const own = await readFile(file, "utf8");
    expect(own).toBe(`${process.pid} ${startOf(process.pid)}`);

    // Another process, this one's parent, has the directory.
    const others = `${process.ppid} ${startOf(process.ppid)}`;
    await writeFile(file, others);
    await expect(openState(directory, 300)).rejects.toThrow(
      `npm start runs here already. Stop it first: kill ${process.ppid}`,
    );
    releaseLock(directory);
    expect(await readFile(file, "utf8")).toBe(others);

    // That process has ended, and its id belongs to another program by now.
    await writeFile(file, `${process.ppid} earlier`);
    await openState(directory);
    expect(await readFile(file, "utf8")).toBe(own);
    releaseLock(directory);
    await expect(readFile(file, "utf8")).rejects.toThrow("ENOENT");
  });

  test("a stack that starts while another one ends waits for its end", async () => {
    const file = join(directory, "lock");
    await writeFile(file, `${process.ppid} ${startOf(process.ppid)}`);
    const opened = vi.fn<() => void>();
    const opening = openState(directory).then(opened);
    await new Promise((done) => setTimeout(done, 300));
    expect(opened).not.toHaveBeenCalled();
    await rm(file);
    await opening;
  });
});
