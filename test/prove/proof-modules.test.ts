import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { readLedger } from "../../prove/audit/ledger.ts";
import { writeModules } from "../../prove/stage/proof-modules.ts";

const run = promisify(execFile);

const container = z.object({ command: z.array(z.string()), env: z.array(z.object({ value: z.string() })) });
const module = z.object({
  jobTemplate: z.object({
    spec: z.object({ template: z.object({ spec: z.object({ containers: z.tuple([container]) }) }) }),
  }),
});

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "proof-modules-"));
});
afterEach(() => rm(directory, { recursive: true }));

/** Has a shell with this PATH run the worker of `succeed`. Resolves to what it wrote into the ledger. */
async function work(path: string) {
  const ledger = join(directory, "ledger");
  await writeModules(join(directory, "modules"), ledger);
  const file = await readFile(join(directory, "modules/succeed.yaml"), "utf8");
  const [{ command }] = module.parse(JSON.parse(file)).jobTemplate.spec.template.spec.containers;
  const [program = "", ...args] = command;
  const env = { DISPATCHER_RUN_ID: "r", DISPATCHER_MESSAGE_ID: "m", DISPATCHER_ATTEMPT: "2", DISPATCHER_REDRIVE: "1" };
  await run(program, args, { env: { ...env, PROOF_LEDGER: ledger, PATH: path } });
  return readLedger(await readFile(ledger, "utf8"));
}

/** Writes a `date` that knows no parts of a second. It prints what it does not know, or what follows the percent sign. */
async function writeDate(unknown: string): Promise<string> {
  const file = join(directory, "date");
  await writeFile(file, `#!/bin/sh\n[ "$1" = +%s ] && echo 1700000010 || echo "1700000010${unknown}"\n`);
  await chmod(file, 0o755);
  return `${directory}:${process.env["PATH"]}`;
}

describe("the worker of a module of the proof", () => {
  it("notes its start and its end, with the time in ms", async () => {
    const before = Date.now();
    const lines = await work(process.env["PATH"] ?? "");
    const common = { runId: "r", messageId: "m", attempt: 1_002, code: 0 };
    expect(lines).toEqual([
      { ...common, what: "start", at: expect.any(Number) },
      { ...common, what: "end", at: expect.any(Number) },
    ]);
    const times = [before, ...lines.map(({ at }) => at), Date.now()];
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it.each(["%3N", "3N", "N"])("notes whole seconds where date prints %s", async (unknown) => {
    const lines = await work(await writeDate(unknown));
    expect(lines.map(({ at }) => at)).toEqual([1_700_000_010_000, 1_700_000_010_000]);
  });
});
