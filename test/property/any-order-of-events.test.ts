import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PROPERTY_TIMEOUT_MS, propertyOptions } from "../support/property-options.ts";
import { anyOrderOfEvents, letItEnd } from "./dispatcher-commands.ts";
import { checkEnd, setUp } from "./dispatcher-model.ts";

describe("in any order of events and crashes", () => {
  it("closed rows stay, no attempt has two Jobs, no budget is exceeded, and every message ends as its Jobs did", {
    timeout: PROPERTY_TIMEOUT_MS,
  }, async () => {
    const anyOrder = fc.asyncProperty(anyOrderOfEvents(), async (events) => {
      const { model, real } = await setUp();
      await fc.asyncModelRun(() => ({ model, real }), events);
      await letItEnd(model, real);
      await checkEnd(model, real);
    });
    await expect(fc.assert(anyOrder, propertyOptions(150))).resolves.toBeUndefined();
  });
});
