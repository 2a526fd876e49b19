import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ROUTES } from "../../../shared/api/routes.ts";
import { apiOf } from "../../support/api-of.ts";
import { makeWorld } from "../../support/world.ts";

const operation = z.looseObject({
  operationId: z.string(),
  summary: z.string(),
  parameters: z.array(
    z.looseObject({ name: z.string(), in: z.enum(["path", "query", "header"]), schema: z.looseObject({}) }),
  ),
  responses: z.looseObject({}),
});
const document = z.looseObject({
  openapi: z.literal("3.1.0"),
  info: z.looseObject({ version: z.string() }),
  paths: z.record(z.string(), z.record(z.string(), operation)),
  components: z.looseObject({ schemas: z.record(z.string(), z.looseObject({})) }),
});

async function described() {
  return document.parse((await apiOf(makeWorld()).get("/openapi.json")).said);
}

describe("the OpenAPI document", () => {
  it("describes each route once", async () => {
    const { paths, info } = await described();
    expect(info.version).toBe("1.2.3");
    const listed = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId }]) => [operationId, `${method.toUpperCase()} ${path}`]),
    );
    expect(Object.fromEntries(listed)).toEqual(
      Object.fromEntries(ROUTES.map(({ name, method, path }) => [name, `${method} ${path}`])),
    );
  });

  it("names the parameters that an address has", async () => {
    for (const [path, methods] of Object.entries((await described()).paths))
      for (const { parameters } of Object.values(methods)) {
        const named = parameters.filter((one) => one.in === "path").map(({ name }) => `{${name}}`);
        expect(path.match(/\{\w+\}/g) ?? []).toEqual(named);
      }
  });

  it("refers only to schemas that it has, and uses each of them", async () => {
    const whole = await described();
    const references = new Set(JSON.stringify(whole).match(/"#\/[^"]*"/g) ?? []);
    const places = Object.keys(whole.components.schemas).map((name) => `"#/components/schemas/${name}"`);
    expect([...references].toSorted()).toEqual(places.toSorted());
  });

  it("has the bounds that are checked", async () => {
    const { parameters = [] } = (await described()).paths["/runs"]?.["get"] ?? {};
    expect(parameters.find(({ name }) => name === "limit")).toMatchObject({
      required: false,
      schema: { type: "integer", minimum: 1, maximum: 1_000, default: 100 },
    });
  });
});
