import { describe, expect, it } from "vitest";
import { checkBody } from "../../../shared/modules/check-body.ts";
import type { JsonSchema } from "../../../shared/modules/module.ts";
import { withTheProcessor } from "../../support/with-the-processor.ts";
import { aModule } from "../jobs/objects.ts";

const check = (schema: JsonSchema | undefined, body: string | Uint8Array) =>
  checkBody(aModule({ schema }), typeof body === "string" ? Buffer.from(body) : body);

const order: JsonSchema = {
  type: "object",
  required: ["id"],
  properties: {
    id: { type: "integer" },
    kind: { enum: ["a", "b"] },
    lines: { type: "array", items: { type: "object", properties: { sku: { type: "string", maxLength: 3 } } } },
  },
  additionalProperties: false,
};

describe("a body and its schema", () => {
  it("are of their own module, though another schema has the same $id", () => {
    const text: JsonSchema = { $id: "https://example.com/body", type: "string" };
    const list: JsonSchema = { $id: "https://example.com/body", type: "array" };
    expect([check(text, '"a"'), check(list, "[]")]).toEqual([undefined, undefined]);
    expect(check(text, "[]")).toContain("must be string");
    expect(check(list, '"a"')).toContain("must be array");
  });

  it.each([
    { name: "right", body: '{ "id": 1, "kind": "a", "lines": [{ "sku": "x" }] }', want: undefined },
    { name: "with a byte order mark", body: '\uFEFF{ "id": 1 }', want: undefined },
    { name: "empty", body: "", want: "the body is empty, and its schema wants JSON" },
    { name: "not UTF-8", body: Uint8Array.of(0x22, 0xff, 0x22), want: "the body is not JSON: it is not UTF-8 text" },
    { name: "broken early", body: "{ SECRET }", want: "the body is not JSON: malformed at character 2" },
    {
      name: "of the wrong type",
      body: "[]",
      want: 'the body breaks its schema at "" (the whole body): must be object',
    },
    {
      name: "lacking a property",
      body: "{}",
      want: `the body breaks its schema at "" (the whole body): must have required property 'id'`,
    },
    {
      name: "wrong in a property",
      body: '{ "id": "SECRET" }',
      want: "the body breaks its schema at /id: must be integer",
    },
    {
      name: "not among the allowed",
      body: '{ "id": 1, "kind": "SECRET" }',
      want: "the body breaks its schema at /kind: must be equal to one of the allowed values",
    },
    {
      name: "wrong deep inside",
      body: '{ "id": 1, "lines": [{}, { "sku": "SECRET" }] }',
      want: "the body breaks its schema at /lines/1/sku: must NOT have more than 3 characters",
    },
    {
      name: "more than allowed",
      body: '{ "id": 1, "a/b~": "SECRET" }',
      want: "the body breaks its schema at /a~1b~0: must not be there",
    },
    {
      name: "a name of many lines",
      body: '{ "id": 1, "a\\nb": 1 }',
      want: "the body breaks its schema at /a\uFFFDb: must not be there",
    },
    {
      name: "a very long name",
      body: JSON.stringify({ id: 1, ["x".repeat(10_000)]: 1 }),
      want: `the body breaks its schema at /${"x".repeat(198)}…: must not be there`,
    },
  ])("$name", ({ body, want }) => {
    expect(check(order, body)).toBe(want);
  });

  it("never quotes the body, wherever it is broken", () => {
    for (const body of ["SECRET", '{"id": SECRET', '"SECRET', "{'SECRET'}", '{"id":1}SECRET', '[SECRET"']) {
      const problem = check(order, body) ?? "";
      expect(problem).toMatch(/^the body is not JSON/);
      expect(problem).not.toMatch(/SEC/);
    }
  });

  it("may be anything where there is no schema", () => {
    expect(check(undefined, Uint8Array.of(0, 255))).toBeUndefined();
    expect(check(undefined, "")).toBeUndefined();
  });

  it("has to be JSON where the schema is true, and is always wrong where it is false", () => {
    expect(check(true, "1")).toBeUndefined();
    expect(check(true, "nope")).toContain("is not JSON");
    expect(check(false, "1")).toContain("the body breaks its schema");
  });

  it("is judged by the draft that the schema names", () => {
    const tuple = { items: [{ type: "string" }] };
    expect(check({ $schema: "http://json-schema.org/draft-07/schema#", ...tuple }, "[1]")).toContain(
      "/0: must be string",
    );
    const prefix = { prefixItems: [{ type: "string" }] };
    expect(check({ $schema: "https://json-schema.org/draft/2020-12/schema", ...prefix }, "[1]")).toContain(
      "/0: must be string",
    );
    expect(check(prefix, "[1]")).toContain("/0: must be string");
  });

  it("has only properties of its own", () => {
    expect(check({ required: ["constructor"] }, "{}")).toContain("must have required property 'constructor'");
    expect(check({ additionalProperties: false }, '{ "__proto__": 1 }')).toContain("/__proto__: must not be there");
  });

  it("may be nested deeper than a schema that refers to itself can follow", () => {
    const schema: JsonSchema = { $defs: { n: { items: { $ref: "#/$defs/n" } } }, $ref: "#/$defs/n" };
    const deep = "[".repeat(200_000) + "]".repeat(200_000);
    expect(check(schema, deep)).toBe("the body is nested too deeply to be checked against its schema");
  });

  it.each([
    {
      what: "objects that have to be unique, by the ten thousand",
      schema: { type: "array", uniqueItems: true },
      body: JSON.stringify(Array.from({ length: 40_000 }, (_, a) => ({ a }))),
    },
    {
      what: "a text at which a pattern backtracks",
      schema: { type: "string", pattern: "^(a+)+$" },
      body: JSON.stringify(`${"a".repeat(40)}!`),
    },
  ])(
    "may have $what: the check is ended, and the process goes on",
    ({ schema, body }) => {
      const problem = withTheProcessor(() => check(schema, body));
      expect(problem).toBe("checking the body against its schema takes longer than 1 s");
      expect(check({ type: "object", required: ["name"] }, "{}")).toContain("must have required property 'name'");
    },
    180_000,
  );
});
