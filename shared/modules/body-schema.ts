import { Ajv, type ErrorObject, type Options } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import { isRecord } from "../plain-data.ts";
import type { JsonSchema } from "./module.ts";

/** Tells what is wrong with a parsed body; undefined where nothing is. */
export type BodyCheck = (body: unknown) => ErrorObject | undefined;

const OPTIONS: Options = {
  allErrors: false,
  strict: false,
  // An annotation only, as draft 2020-12 has it.
  validateFormats: false,
  // `constructor` is no property of a body that lacks it.
  ownProperties: true,
  logger: false,
};

/** Compiles a JSON Schema of draft 2020-12, or draft-07 where its `$schema` says so. Throws an Error that says what is wrong with it. */
export function compileSchema(schema: JsonSchema): BodyCheck {
  // Its verdict would be a promise, which is true of every body.
  if (isRecord(schema) && schema["$async"] !== undefined) throw new Error("$async is not supported");
  const validate = ajvFor(schema).compile(schema);
  return (body) => (validate(body) ? undefined : validate.errors?.[0]);
}

function ajvFor(schema: JsonSchema): Ajv | Ajv2020 {
  const draft = isRecord(schema) ? schema["$schema"] : undefined;
  if (draft === undefined) return new Ajv2020(OPTIONS);
  if (typeof draft === "string" && /^https:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/.test(draft))
    return new Ajv2020(OPTIONS);
  if (typeof draft === "string" && /^https?:\/\/json-schema\.org\/draft-07\/schema#?$/.test(draft))
    return new Ajv(OPTIONS);
  throw new Error(`its $schema is ${JSON.stringify(draft)}; known are draft 2020-12 and draft-07`);
}
