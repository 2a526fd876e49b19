import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";

const read = (file: string): unknown => JSON.parse(readFileSync(file, "utf8"));
const { configurations } = z
  .object({
    configurations: z.array(
      z.looseObject({
        name: z.string(),
        program: z.string().optional(),
        args: z.array(z.string()).default([]),
        command: z.string().optional(),
      }),
    ),
  })
  .parse(read(".vscode/launch.json"));
const { scripts } = z.looseObject({ scripts: z.record(z.string(), z.string()) }).parse(read("package.json"));

/** The files, or scripts of package.json, that a configuration starts and that don't exist. */
function missing({ program, args, command }: (typeof configurations)[number]): string[] {
  const files = [program?.replace("${workspaceFolder}/", ""), args[args.indexOf("--config") + 1]];
  const [, script] = /^npm (?:run )?(\S+)/.exec(command ?? "") ?? [];
  return [
    ...files.filter((file) => file?.endsWith("s") === true && !existsSync(file)),
    ...[script].filter((name) => name !== undefined && !(name in scripts)),
  ].flatMap((name) => name ?? []);
}

test.each(configurations)("the debugger's configuration starts what is there: $name", (configuration) => {
  expect(configuration.program ?? configuration.command).toBeDefined();
  expect(missing(configuration)).toEqual([]);
});
