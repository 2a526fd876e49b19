import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { z } from "zod";
import { startAzurite } from "../../local/azurite/start-azurite.ts";
import { makeAzureTable } from "../../shared/adapters/tables/run-table.ts";
import { systemClock } from "../../shared/clock.ts";
import { ROOT } from "../support/run-program.ts";

const program = join(ROOT, "dist/local/azurite/main.js");
const READY = z.object({ ready: z.literal(true), connectionString: z.string(), pid: z.number() });

const tableOf = (connectionString: string) =>
  makeAzureTable({
    connection: { kind: "connectionString", value: connectionString },
    tableName: "runs",
    instance: "dispatcher",
    clock: systemClock,
  });

async function startProgram(): Promise<{
  child: ChildProcess;
  lines: string[];
  pid: number;
  connectionString: string;
}> {
  const child = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "inherit", "ipc"] });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout! }).on("line", (line) => lines.push(line));
  await once(reader, "line");
  return { child, lines, ...READY.parse(JSON.parse(lines[0] ?? "")) };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("Azurite", () => {
  it("keeps what it is told to keep in a directory", async () => {
    const directory = await mkdtemp(join(tmpdir(), "azurite-"));
    const first = await startAzurite({ directory });
    const owner = await tableOf(first.connectionString).owner();
    await first.close();
    const second = await startAzurite({ directory });
    expect(await tableOf(second.connectionString).owner()).toBe(owner);
    await second.close();
    await second.close();
    expect(isAlive(first.pid) || isAlive(second.pid)).toBe(false);
    await rm(directory, { recursive: true });
  });

  it("says in its own words why it did not start", async () => {
    await expect(startAzurite({ tls: { certFile: "/nowhere/cert.pem", keyFile: "/nowhere/key.pem" } })).rejects.toThrow(
      /exit code 1.*cert\.pem/,
    );
  });

  it.each([
    { what: "SIGTERM", end: (child: ChildProcess) => child.kill("SIGTERM") },
    { what: "SIGINT", end: (child: ChildProcess) => child.kill("SIGINT") },
    { what: "the loss of its parent", end: (child: ChildProcess) => child.disconnect() },
    { what: "SIGKILL, which leaves it no time", end: (child: ChildProcess) => child.kill("SIGKILL") },
  ])("ends with its program on $what", async ({ end }) => {
    const { child, lines, pid, connectionString } = await startProgram();
    expect(await tableOf(connectionString).lastTick()).toBeUndefined();
    const exit = once(child, "exit");
    end(child);
    await exit;
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 5_000 });
    expect(lines).toHaveLength(1);
  });

  it("ends with its program if the parent is gone before that has started it", { timeout: 60_000 }, async () => {
    const directory = await mkdtemp(join(tmpdir(), "orphan-"));
    const child = spawn(process.execPath, [program, "--directory", directory], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    onTestFinished(async () => {
      for (const pid of namedWith(directory)) process.kill(pid, "SIGKILL");
      await rm(directory, { recursive: true, force: true });
    });
    child.disconnect();
    await once(child, "exit");
    await vi.waitFor(() => expect(namedWith(directory)).toEqual([]), { timeout: 5_000 });
  });
});

/** The processes that have this word among their arguments. */
function namedWith(word: string): number[] {
  const lines = spawnSync("ps", ["-axo", "pid=,args="], { encoding: "utf8" }).stdout.split("\n");
  return lines.filter((line) => line.includes(word)).map((line) => Number.parseInt(line, 10));
}
