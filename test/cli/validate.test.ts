import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runProgram } from "../support/run-program.ts";

async function validate(...args: string[]) {
  const running = runProgram("cli", { args: ["modules", "validate", ...args] });
  const code = await running.ended;
  return { code, ...running.said };
}

test("modules validate finds nothing wrong with the samples, and asks no server", async () => {
  expect(await validate()).toEqual({ code: 0, stdout: "nothing is wrong with 6 modules in modules\n", stderr: "" });
});

test("modules validate says file, line and column of each mistake", async () => {
  const directory = await mkdtemp(join(tmpdir(), "validate-"));
  await writeFile(
    join(directory, "a.yaml"),
    "name: a\nsource: { queue: q }\nmaxRuningTime: 1s\nworker: { image: i }\n",
  );
  await writeFile(join(directory, "b.yaml"), "name: B\nsource: { queue: b }\nworker: { image: i }\n");
  const { code, stdout, stderr } = await validate(directory);
  expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
  const lines = stdout.trimEnd().split("\n");
  expect(lines).toEqual([
    expect.stringContaining(`${join(directory, "a.yaml")}:3:1: maxRuningTime: no such field`),
    expect.stringContaining(`${join(directory, "b.yaml")}:1:7: name: "B" is not allowed`),
  ]);
  await rm(directory, { recursive: true });
});

test("modules validate says that a directory is not there", async () => {
  expect(await validate("nowhere")).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^MODULES_DIR: "nowhere" can't be read/),
  });
});
