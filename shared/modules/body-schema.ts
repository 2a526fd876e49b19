import { Ajv, type ErrorObject, type Options } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import { isRecord } from "../plain-data.ts";
import type { JsonSchema } from "./module.ts";

/** Finds what is wrong with a parsed body; undefined if nothing is. */
export type BodyCheck = (body: unknown) => ErrorObject | undefined;

const OPTIONS: Options = {
  allErrors: false,
  strict: false,
  // In draft 2020-12 `format` is only an annotation.
  validateFormats: false,
  // A body without a property `constructor` must not seem to have the inherited one.
  ownProperties: true,
  logger: false,
};

type Draft = typeof Ajv | typeof Ajv2020;

/**
 * What checks schemas against the rules of their draft. These rules are compiled once and not with each schema, because
 * that takes longer than all else of it: some 40 ms, and there may be a schema for each of many modules.
 */
const rules = new Map<Draft, Ajv | Ajv2020>();

/**
 * Compiles a JSON Schema of draft 2020-12, or of draft-07 if its `$schema` says so. Throws an Error that says what is
 * wrong with it.
 */
export function compileSchema(schema: JsonSchema): BodyCheck {
  // The result of an asynchronous schema is a promise, which would count as true for every body.
  if (isRecord(schema) && schema["$async"] !== undefined) throw new Error("$async is not supported; remove it");
  const Draft = draftOf(schema);
  const rulesOfDraft = rules.get(Draft) ?? new Draft(OPTIONS);
  rules.set(Draft, rulesOfDraft);
  // Rejects what is no schema. The second argument makes it throw.
  void rulesOfDraft.validateSchema(schema, true);
  // Each schema has an instance of its own, because two may have the same $id.
  const validate = new Draft({ ...OPTIONS, validateSchema: false }).compile(schema);
  return (body) => (validate(body) ? undefined : validate.errors?.[0]);
}

function draftOf(schema: JsonSchema): Draft {
  const draft = isRecord(schema) ? schema["$schema"] : undefined;
  if (draft === undefined) return Ajv2020;
  if (typeof draft === "string" && /^https:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/.test(draft)) return Ajv2020;
  if (typeof draft === "string" && /^https?:\/\/json-schema\.org\/draft-07\/schema#?$/.test(draft)) return Ajv;
  throw new Error(`its $schema ${JSON.stringify(draft)} is not supported; name draft 2020-12 or draft-07`);
}
