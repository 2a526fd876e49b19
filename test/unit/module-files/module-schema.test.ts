import { readdirSync, readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { moduleJsonSchema } from "../../../shared/module-files/module-schema.ts";
import { formattedJson } from "../../support/formatted-json.ts";

describe("modules/module.schema.json", () => {
  it("says what the loader says (vitest -u writes it anew)", async () => {
    await expect(formattedJson(moduleJsonSchema())).toMatchFileSnapshot("../../../modules/module.schema.json");
  });

  const validate = new Ajv({ strict: false }).compile(moduleJsonSchema());
  const samples = readdirSync("modules").filter((name) => /^[^.]+\.ya?ml$/.test(name));

  it("is what the sample modules keep to", () => {
    for (const name of samples) {
      expect(
        validate(parse(readFileSync(`modules/${name}`, "utf8"))),
        `${name}: ${JSON.stringify(validate.errors)}`,
      ).toBe(true);
    }
    expect(samples.length).toBeGreaterThan(0);
  });

  it("refuses a field that does not exist", () => {
    expect(validate({ name: "m", source: { queue: "q" }, worker: { image: "i" }, retyr: 1 })).toBe(false);
  });
});
