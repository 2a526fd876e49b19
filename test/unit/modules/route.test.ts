import { describe, expect, it } from "vitest";
import type { When } from "../../../shared/modules/module.ts";
import { distinctSources, mayFitBoth, route } from "../../../shared/modules/route.ts";
import type { PeekedMessage } from "../../../shared/run/message.ts";
import { aModule } from "../jobs/objects.ts";

const queue = { queue: "chores" };
const module = (name: string, when?: When) => aModule({ name, source: queue, when });

interface Case {
  name: string;
  when: When | undefined;
  message: Pick<PeekedMessage, "subject" | "properties">;
  fits: boolean;
}

describe("which module a message is for", () => {
  it.each<Case>([
    { name: "no when: every message", when: undefined, message: { properties: {} }, fits: true },
    { name: "its subject", when: { subject: "a" }, message: { subject: "a", properties: {} }, fits: true },
    { name: "another subject", when: { subject: "a" }, message: { subject: "A", properties: {} }, fits: false },
    { name: "no subject", when: { subject: "a" }, message: { properties: {} }, fits: false },
    { name: "a property", when: { properties: { p: 1 } }, message: { properties: { p: 1, q: 2 } }, fits: true },
    {
      name: "a property of another type",
      when: { properties: { p: 1 } },
      message: { properties: { p: "1" } },
      fits: false,
    },
    {
      name: "a long that came as a bigint",
      when: { properties: { p: 1 } },
      message: { properties: { p: 1n } },
      fits: true,
    },
    { name: "another long", when: { properties: { p: 1 } }, message: { properties: { p: 2n } }, fits: false },
    {
      name: "a fraction, and a long",
      when: { properties: { p: 1.5 } },
      message: { properties: { p: 1n } },
      fits: false,
    },
    { name: "false", when: { properties: { p: false } }, message: { properties: { p: false } }, fits: true },
    { name: "no such property", when: { properties: { p: 1 } }, message: { properties: {} }, fits: false },
    {
      name: "one that every object has",
      when: { properties: { constructor: "x" } },
      message: { properties: {} },
      fits: false,
    },
    {
      name: "a subject but not the property beside it",
      when: { subject: "a", properties: { p: 1 } },
      message: { subject: "a", properties: {} },
      fits: false,
    },
  ])("$name: $fits", ({ when, message, fits }) => {
    expect(route([module("m", when)], queue, message)?.name).toBe(fits ? "m" : undefined);
  });

  it("is one of the message's own source, however that is spelled", () => {
    const modules = [aModule({ name: "other", source: { queue: "others" } }), module("m")];
    expect(route(modules, { queue: "CHORES" }, { properties: {} })?.name).toBe("m");
    expect(route(modules, { queue: "elsewhere" }, { properties: {} })).toBeUndefined();
    expect(route(modules, { topic: "chores", subscription: "x" }, { properties: {} })).toBeUndefined();
  });

  it("is the one of several on a source that fits", () => {
    const modules = [module("a", { subject: "a" }), module("b", { subject: "b" })];
    expect(
      route(new Map(modules.map((m) => [m.name, m])).values(), queue, { subject: "b", properties: {} })?.name,
    ).toBe("b");
  });
});

describe("mayFitBoth", () => {
  it("is the same either way round", () => {
    const whens: (When | undefined)[] = [
      undefined,
      { subject: "a" },
      { subject: "b" },
      { properties: { p: 1 } },
      { properties: { p: 2, q: 1 } },
    ];
    for (const a of whens) for (const b of whens) expect(mayFitBoth(a, b)).toBe(mayFitBoth(b, a));
  });
});

describe("distinctSources", () => {
  it("names each source once, as it was first spelled", () => {
    const modules = [queue, { queue: "Chores" }, { topic: "chores", subscription: "a" }].map((source) =>
      aModule({ source }),
    );
    expect(distinctSources(modules)).toEqual([queue, { topic: "chores", subscription: "a" }]);
  });
});
