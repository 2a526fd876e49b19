import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CommandError, runCommand } from "../../check-azure/command.ts";
import { isAlive } from "../support/is-alive.ts";

const env = { PATH: process.env["PATH"] ?? "" };
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "check-azure-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe("a command", () => {
  it("gets its input, and gives what it says", async () => {
    const said: string[] = [];
    const options = { env, stdin: "in", onSaid: (text: string) => said.push(text) };
    const ended = await runCommand("sh", ["-c", "cat; echo told >&2"], options);
    expect(ended).toEqual({ stdout: "in", stderr: "told\n" });
    expect(said.join("")).toBe("told\n");
  });

  it("fails with its last lines, and without its input", async () => {
    const failing = runCommand("sh", ["-c", "echo out; echo why >&2; exit 3"], { env, stdin: "secret" });
    const error = await failing.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CommandError);
    expect(error).toMatchObject({ lastLines: "out\nwhy", message: expect.stringContaining("ended with 3") });
    expect(String(error)).not.toContain("secret");
  });

  it("says that a program is not installed", async () => {
    await expect(runCommand("no-such-program", [], { env })).rejects.toThrow("no-such-program is not installed");
  });

  it("ends with all that it started when the signal is aborted, and is not started after that", async () => {
    const interrupted = new AbortController();
    const file = join(directory, "pid");
    const options = { env, signal: interrupted.signal, onSaid: () => interrupted.abort(new Error("interrupted")) };
    const command = runCommand("sh", ["-c", `sleep 60 & echo $! >${file}; echo started >&2; wait`], options);
    await expect(command).rejects.toThrow("interrupted");
    await expect.poll(async () => isAlive(Number(await readFile(file, "utf8")))).toBe(false);
    await expect(runCommand("true", [], options)).rejects.toThrow("interrupted");
  });
});
