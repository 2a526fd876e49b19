import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigError, errorText } from "../errors.ts";
import type { Module } from "../modules/module.ts";
import { mayFitBoth } from "../modules/route.ts";
import { sourceKey, sourceName } from "../run/source.ts";
import { parseModuleFile } from "./parse-module-file.ts";

/**
 * The content of one file: the module if it is right, the places of its fields, and the errors, each with file and
 * line.
 */
type Parsed = ReturnType<typeof parseModuleFile>;

/**
 * Loads the modules of a directory, one from each `*.yaml`, `*.yml` and `*.json` file, except JSON Schemas
 * (`*.schema.*`). Throws one ConfigError with a line for each mistake in any of them, which names file, line, column,
 * field, value and what is allowed.
 */
export function loadModules(directory: string): Module[] {
  const { modules, mistakes } = readModules(directory);
  if (mistakes.length > 0) throw new ConfigError(mistakes.join("\n"));
  return modules;
}

/** Reads the same files: the modules of those that are right, and a line for each mistake. */
export function readModules(directory: string): { readonly modules: Module[]; readonly mistakes: readonly string[] } {
  const files = list(directory).map((name) => {
    const path = join(directory, name);
    return parseModuleFile(path, readFileSync(path, "utf8"));
  });
  const mistakes = [...files.flatMap((file) => file.errors), ...nameClashes(files), ...claimClashes(files)];
  return { modules: files.flatMap(({ module }) => module ?? []), mistakes };
}

/**
 * Lists the module files by their names, not by kind. In a mounted ConfigMap they are links to files whose names begin
 * with a dot.
 */
function list(directory: string): string[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    throw new ConfigError(
      `MODULES_DIR: ${JSON.stringify(directory)} can't be read (${errorText(error)}); write the path of a directory with module files`,
      { cause: error },
    );
  }
  const files = names
    .filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name) && !/\.schema\.(ya?ml|json)$/.test(name))
    .toSorted();
  if (files.length === 0)
    throw new ConfigError(
      `MODULES_DIR: ${JSON.stringify(directory)} holds no module file; write at least one NAME.yaml there`,
    );
  return files;
}

function nameClashes(files: readonly Parsed[]): string[] {
  return pairs(files)
    .filter(([first, second]) => first.name === second.name)
    .map(
      ([first, second]) =>
        `${second.at(["name"])}: name: ${JSON.stringify(second.name)} is also the name in ${first.file}; write another, because Jobs and runs are found by it`,
    );
}

/** Finds modules that may take the same message. Each message must have one module, whatever the order of the files. */
function claimClashes(files: readonly Parsed[]): string[] {
  return pairs(files).flatMap(([first, second]) => {
    const [a, b] = [first.module, second.module];
    if (!a || !b || sourceKey(a.source) !== sourceKey(b.source) || !mayFitBoth(a.when, b.when)) return [];
    return `${second.at(["source"])}: source: a message of ${sourceName(b.source)} may fit both this module and that of ${first.file}; write a \`when\` in each, with different values of the same subject or property`;
  });
}

function pairs(files: readonly Parsed[]): [Parsed, Parsed][] {
  return files.flatMap((second, index) => files.slice(0, index).map((first): [Parsed, Parsed] => [first, second]));
}
