import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { ROOT } from "../support/run-program.ts";

// The demo is interrupted at the moments at which it used to hang, or to leave things behind.

let temporary: string;
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), "interrupted-"));
  return () => rm(temporary, { recursive: true, force: true });
});

function startDemo(args: readonly string[] = []) {
  const child = spawn(process.execPath, [join(ROOT, "dist", "cli", "main.js"), "demo", ...args], {
    cwd: ROOT,
    env: { PATH: process.env["PATH"] ?? "", TMPDIR: temporary },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (said.stderr += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  return { child, said, ended };
}

test("Ctrl-C while the demo follows its runs ends it within seconds", { timeout: 90_000 }, async () => {
  const { child, said, ended } = startDemo();
  await vi.waitFor(() => expect(said.stdout).toMatch(/attempt 1: Job/), { timeout: 60_000, interval: 50 });
  const at = Date.now();
  child.kill("SIGINT");
  expect(await ended).toBe(130);
  expect(Date.now() - at).toBeLessThan(30_000);
  expect(said.stderr).toContain("The demo was interrupted, and has stopped everything that it started.");
  expect(readdirSync(temporary)).toEqual([]);
});

test("a reader that is gone stops the demo as Ctrl-C does, and nothing is left behind", {
  timeout: 90_000,
}, async () => {
  const { child, said, ended } = startDemo();
  await vi.waitFor(() => expect(said.stdout).toMatch(/Starting/), { timeout: 60_000, interval: 50 });
  child.stdout.destroy();
  expect(await ended).toBe(130);
  expect(readdirSync(temporary)).toEqual([]);
});
