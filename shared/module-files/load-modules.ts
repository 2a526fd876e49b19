import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigError, errorText } from "../errors.ts";
import type { Module } from "../modules/module.ts";
import { mayFitBoth } from "../modules/route.ts";
import type { WrongFile } from "../modules/wrong-file.ts";
import { sourceKey, sourceName } from "../run/source.ts";
import { nameInText } from "./name-in-text.ts";
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
  const { modules, wrongFiles } = readModules(directory);
  if (wrongFiles.length > 0) throw new ConfigError(mistakesIn(wrongFiles).join("\n"));
  return modules;
}

/** The modules of a directory, as far as their files are right. */
export interface ModulesRead {
  readonly modules: readonly Module[];
  readonly wrongFiles: readonly WrongFile[];
}

/** Reads the same files: the modules of those that are right by themselves, and what is wrong with which file. */
export function readModules(directory: string): ModulesRead & { readonly modules: Module[] } {
  const files = list(directory).map((name) => {
    const path = join(directory, name);
    const text = readFileSync(path, "utf8");
    return { ...parseModuleFile(path, text), text };
  });
  const wrong = files.filter(({ errors }) => errors.length > 0);
  return {
    modules: files.flatMap(({ module }) => module ?? []),
    wrongFiles: [
      ...wrong.map((file) => ({ module: nameOf(file), mistakes: file.errors })),
      ...nameClashes(files),
      ...claimClashes(files),
    ],
  };
}

/** Lists the mistakes of all these files. */
export function mistakesIn(files: readonly WrongFile[]): string[] {
  return files.flatMap(({ mistakes }) => mistakes);
}

function nameOf({ name, text }: Parsed & { readonly text: string }): string | undefined {
  return typeof name === "string" ? name : nameInText(text);
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

function nameClashes(files: readonly Parsed[]): WrongFile[] {
  return pairs(files)
    .filter(([first, second]) => first.name === second.name)
    .map(([first, second]) => {
      const mistake = `${second.at(["name"])}: name: ${JSON.stringify(second.name)} is also the name in ${first.file}; write another, because Jobs and runs are found by it`;
      return { module: second.module?.name, mistakes: [mistake] };
    });
}

/** Finds modules that may take the same message. Each message must have one module, whatever the order of the files. */
function claimClashes(files: readonly Parsed[]): WrongFile[] {
  return pairs(files).flatMap(([first, second]) => {
    const [a, b] = [first.module, second.module];
    if (!a || !b || sourceKey(a.source) !== sourceKey(b.source) || !mayFitBoth(a.when, b.when)) return [];
    const mistake = `${second.at(["source"])}: source: a message of ${sourceName(b.source)} may fit both this module and that of ${first.file}; write a \`when\` in each, with different values of the same subject or property`;
    return { module: b.name, mistakes: [mistake] };
  });
}

function pairs(files: readonly Parsed[]): [Parsed, Parsed][] {
  return files.flatMap((second, index) => files.slice(0, index).map((first): [Parsed, Parsed] => [first, second]));
}
