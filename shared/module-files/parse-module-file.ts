import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { V1JobTemplateSpec } from "@kubernetes/client-node";
import { errorText } from "../errors.ts";
import { compileSchema } from "../modules/body-schema.ts";
import type { JsonSchema, Module, Work } from "../modules/module.ts";
import { isRecord, valueAt } from "../plain-data.ts";
import { type Problem, ruleProblems, schemaProblems } from "./module-problems.ts";
import { type ModuleFile, moduleFileSchema } from "./module-schema.ts";
import { parseYaml } from "./yaml-file.ts";

/** The content of one module file, or what is wrong with it. */
export interface ParsedModuleFile {
  readonly file: string;
  /** The name that the file gives, even if other fields are wrong. */
  readonly name: unknown;
  /** Undefined if there are errors. */
  readonly module: Module | undefined;
  /** One line each, beginning with `file:line:column`. */
  readonly errors: readonly string[];
  /** Gives the `file:line:column` of a field. */
  at(path: readonly PropertyKey[]): string;
}

/** Reads one module file, and the JSON Schema that it names. Returns all mistakes as errors, and throws nothing. */
export function parseModuleFile(file: string, text: string): ParsedModuleFile {
  const yaml = parseYaml(text);
  if ("errors" in yaml) {
    const errors = yaml.errors.map((error) => `${file}:${error.line}:${error.column}: ${error.text}`);
    // A symbol is unlike any other name, so that this file clashes with no other.
    return { file, name: Symbol(file), module: undefined, errors, at: () => file };
  }
  const at = (path: readonly PropertyKey[]) => {
    const { line, column } = yaml.locate(path);
    return `${file}:${line}:${column}`;
  };
  const parsed = moduleFileSchema.safeParse(yaml.value);
  const schema = readBodySchema(file, valueAt(yaml.value, ["schema"]));
  const problems: Problem[] = [
    ...(parsed.success ? [] : schemaProblems(parsed.error.issues, yaml.value)),
    ...ruleProblems(yaml.value),
  ];
  if ("problem" in schema) problems.push({ path: ["schema"], part: "value", text: schema.problem });
  const placed = problems
    .map(({ path, part, text }) => ({ ...yaml.locate(path, part), text: `${field(path)}${text}` }))
    .toSorted((a, b) => a.line - b.line || a.column - b.column);
  // A pattern and a range may give the same error for one field.
  const errors = [...new Set(placed.map(({ line, column, text }) => `${file}:${line}:${column}: ${text}`))];
  const name = valueAt(yaml.value, ["name"]) ?? Symbol(file);
  if (!parsed.success || errors.length > 0 || "problem" in schema) return { file, name, module: undefined, errors, at };
  return { file, name, module: toModule(file, { text, data: parsed.data, schema: schema.value }), errors, at };
}

function readBodySchema(file: string, schema: unknown): { value: JsonSchema | undefined } | { problem: string } {
  if (typeof schema === "string") return readSchemaFile(join(dirname(file), schema));
  // The schema of the fields reports a value of another type.
  return isJsonSchema(schema) ? compiled(schema, "the JSON Schema") : { value: undefined };
}

function readSchemaFile(path: string): { value: JsonSchema } | { problem: string } {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    return {
      problem: `${path} can't be read (${errorText(error)}); write the path of a JSON Schema, relative to this file`,
    };
  }
  const yaml = parseYaml(text);
  if ("errors" in yaml) {
    const places = yaml.errors.map((error) => `${path}:${error.line}:${error.column}: ${error.text}`);
    return { problem: places.join("; ") };
  }
  const { value } = yaml;
  return isJsonSchema(value)
    ? compiled(value, path)
    : { problem: `${path} is not a JSON Schema; write an object, true or false there` };
}

function compiled(schema: JsonSchema, where: string): { value: JsonSchema } | { problem: string } {
  try {
    compileSchema(schema);
    return { value: schema };
  } catch (error) {
    return { problem: `${where} is broken: ${errorText(error)}` };
  }
}

function isJsonSchema(value: unknown): value is JsonSchema {
  return isRecord(value) || typeof value === "boolean";
}

function toModule(
  file: string,
  { text, data, schema }: { readonly text: string; readonly data: ModuleFile; readonly schema: JsonSchema | undefined },
): Module {
  const { retry } = data;
  return {
    name: data.name,
    file,
    fileDigest: digestOf(text, schema),
    source: data.source,
    when: data.when,
    schema,
    retry: {
      maxAttempts: retry.maxAttempts,
      backoff: { firstMs: retry.backoff.first, maxMs: retry.backoff.max },
      permanentExitCodes: [...new Set(retry.permanentExitCodes)].toSorted((a, b) => a - b),
      maxInterruptions: retry.maxInterruptions,
    },
    maxRunningTimeMs: data.maxRunningTime,
    startTimeoutMs: data.startTimeout,
    maxActive: data.maxActive,
    publishes: data.publishes,
    work: toWork(data),
  };
}

function digestOf(text: string, schema: JsonSchema | undefined): string {
  const whole = createHash("sha256")
    .update(text)
    .update(JSON.stringify(schema) ?? "");
  return whole.digest("hex").slice(0, 16);
}

function toWork({ worker, handler, serviceAccountName, jobTemplate }: ModuleFile): Work {
  if (worker)
    return { kind: "worker", worker, handler, ...(serviceAccountName === undefined ? {} : { serviceAccountName }) };
  // The schema has checked the fields that matter here, and the API server judges the others.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as the line above says
  return { kind: "jobTemplate", jobTemplate: jobTemplate as V1JobTemplateSpec };
}

/** Writes a path as `retry.backoff.first: `, or as nothing for the whole file. */
function field(path: readonly PropertyKey[]): string {
  const steps = path.map((step, index) => {
    if (typeof step === "number") return `[${step}]`;
    const name = String(step);
    if (!/^[\w$-]+$/.test(name)) return `[${JSON.stringify(name)}]`;
    return index === 0 ? name : `.${name}`;
  });
  return path.length === 0 ? "" : `${steps.join("")}: `;
}
