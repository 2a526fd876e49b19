import { describe, expect, it } from "vitest";
import { parseEntities } from "../../local/broker/entities.ts";
import { compileFilter } from "../../local/broker/filter.ts";

const message = {
  subject: "image.uploaded",
  correlationId: "c-1",
  properties: { color: "red", size: 3, hot: true, "odd name": "it's", nothing: null },
};

describe("a subscription's filter", () => {
  it.each([
    ["sys.Label = 'image.uploaded'", true],
    ["sys.label='image.uploaded' and color = 'red'", true],
    ["SYS.Subject = 'image.uploaded' AND user.color = 'blue'", false],
    ["sys.CorrelationId = 'c-1' AND size = 3 AND hot = TRUE", true],
    ["size = 3.0", true],
    // Names ignore case, and values don't.
    ["Color = 'red' AND SIZE = 3 AND [Odd Name] = 'it''s'", true],
    ["user.COLOR = 'Red'", false],
    ["size = -3", false],
    ["size = '3'", false],
    ["'red' = color", true],
    ["[odd name] = 'it''s'", true],
    ["missing = 'x'", false],
    ["missing = absent", false],
    ["nothing = nothing", false],
    ["1=1", true],
    ["1 = 0", false],
  ])("%s: %s", (sql, want) => {
    expect(compileFilter({ sql })(message)).toBe(want);
  });

  it.each([
    "",
    "color",
    "color = ",
    "color = 'red' OR size = 3",
    "color <> 'red'",
    "(color = 'red')",
    "color LIKE 'r%'",
    "color = 'red",
    "color IS NULL",
    "sys.Nonsense = 'x'",
    "color = 'red' AND",
    "color = 'red' size = 3",
    "size = 3; drop",
  ])("refuses %j, which it does not know", (sql) => {
    expect(() => compileFilter({ sql })).toThrow(/more than the local broker knows/);
  });

  it.each([
    [{}, true],
    [{ subject: "image.uploaded" }, true],
    [{ subject: "Image.Uploaded" }, false],
    [{ subject: "image.uploaded", properties: { color: "red", size: 3 } }, true],
    [{ subject: "image.uploaded", properties: { size: "3" } }, false],
    [{ correlationId: "c-1", properties: { hot: true } }, true],
    [{ messageId: "m" }, false],
  ])("%j: %s", (filter, want) => {
    expect(compileFilter(filter)(message)).toBe(want);
  });
});

describe("the broker's entities", () => {
  it.each([
    [{ queues: [{ name: "q", lockDurationMs: 0 }], topics: [] }, /lockDurationMs/],
    [{ queues: [{ name: "q", colour: 1 }], topics: [] }, /colour/],
    [{ queues: [{}], topics: [] }, /name/],
    [{ queues: [] }, /topics/],
    [{ queues: [{ name: "images" }], topics: [{ name: "Images", subscriptions: [] }] }, /"Images" is there twice/],
    [{ queues: [], topics: [{ name: "t", subscriptions: [{ name: "s" }, { name: "S" }] }] }, /"t\/S" is there twice/],
    [{ queues: [], topics: [{ name: "t", subscriptions: [{ name: "s", filter: { sql: "a > 1" } }] }] }, /a > 1/],
    [{ queues: [], topics: [{ name: "t", subscriptions: [{ name: "s", filter: { subjekt: "x" } }] }] }, /filter/],
  ])("are refused if a field is wrong: %j", (entities, field) => {
    expect(() => parseEntities(entities)).toThrow(field);
  });
});
