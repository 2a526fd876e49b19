import { execFile } from "node:child_process";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { isProgram, programOnPath } from "../../local/kit/program-on-path.ts";
import { ROOT } from "./run-program.ts";

/** The subscription and tenant of the predictions in infra/*.snapshot.json. Neither exists. */
const INVENTED_TARGET = [
  ["--subscription-id", "00000000-0000-0000-0000-000000000001"],
  ["--tenant-id", "00000000-0000-0000-0000-000000000002"],
  ["--location", "westeurope"],
  ["--deployment-name", "dispatcher"],
].flat();

const MISSING =
  "the Bicep CLI is missing. Put bicep 0.49 or later on PATH, or name it in BICEP (https://github.com/Azure/bicep/releases, one file)";

export interface BicepEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs the Bicep CLI in infra/, or another directory. Without the CLI it skips the test with the reason; in CI it fails
 * instead.
 */
export async function bicep(
  test: TestContext,
  args: readonly string[],
  { cwd = join(ROOT, "infra"), env = {} }: { cwd?: string; env?: Record<string, string> } = {},
): Promise<BicepEnd> {
  const program = find();
  if (program === undefined) {
    if (process.env["CI"]) throw new Error(MISSING);
    return test.skip(MISSING);
  }
  // The CLI is a .NET program, which needs ICU unless it is told to do without.
  const environment = { ...process.env, DOTNET_SYSTEM_GLOBALIZATION_INVARIANT: "1", ...env };
  return await new Promise((resolve, reject) => {
    execFile(program, args, { cwd, env: environment, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== "number") reject(error);
      else resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

/**
 * Predicts the resources of a parameter file. `validate` compares them with the checked-in prediction; `overwrite`
 * writes it anew.
 */
export function snapshot(
  test: TestContext,
  file: string,
  mode: "validate" | "overwrite",
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<BicepEnd> {
  return bicep(test, ["snapshot", file, "--mode", mode, ...INVENTED_TARGET], options);
}

function find(): string | undefined {
  const named = process.env["BICEP"];
  if (named) return isProgram(named) ? named : undefined;
  return programOnPath("bicep");
}
