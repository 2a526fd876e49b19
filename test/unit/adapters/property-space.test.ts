import { describe, expect, it } from "vitest";
import { hasSpace } from "../../../shared/adapters/service-bus/property-space.ts";

const KB = 1024;
const text = (length: number, char = "x") => char.repeat(length);
const nothing = { application: {}, system: [] };

describe("the room for properties", () => {
  it.each([
    { name: "nothing on nothing", carried: nothing, added: {}, want: true },
    { name: "a property of 31 KB", carried: nothing, added: { a: text(31 * KB) }, want: true },
    { name: "a property over 32 KB", carried: nothing, added: { a: text(32 * KB) }, want: false },
    {
      name: "64 KB in all",
      carried: { application: { a: text(31 * KB), b: text(31 * KB) }, system: [] },
      added: { c: text(2 * KB) },
      want: false,
    },
    {
      name: "just under 64 KB in all",
      carried: { application: { a: text(31 * KB), b: text(31 * KB) }, system: [] },
      added: { c: text(KB) },
      want: true,
    },
    {
      name: "a subject that takes the room",
      carried: { application: { a: text(31 * KB) }, system: [text(32 * KB)] },
      added: { c: text(KB) },
      want: false,
    },
    {
      name: "a property that replaces a large one",
      carried: { application: { a: text(31 * KB), b: text(31 * KB) }, system: [] },
      added: { b: text(20 * KB) },
      want: true,
    },
    {
      name: "characters of three bytes",
      carried: { application: { a: text(10_000, "€") }, system: [] },
      added: { b: text(10_000, "€"), c: text(3_000, "€") },
      want: false,
    },
    {
      name: "many small ones",
      carried: {
        application: Object.fromEntries(Array.from({ length: 3000 }, (_, n) => [`property-${n}`, n])),
        system: [],
      },
      added: { a: 1 },
      want: false,
    },
    {
      name: "bytes",
      carried: { application: { a: new Uint8Array(31 * KB), b: new Uint8Array(31 * KB) }, system: [undefined, null] },
      added: { c: text(2 * KB) },
      want: false,
    },
    {
      name: "values of other kinds",
      carried: { application: { a: true, b: new Date(0), c: null, d: { e: [1] } }, system: [7] },
      added: { f: 0.5 },
      want: true,
    },
  ])("$name: $want", ({ carried, added, want }) => {
    expect(hasSpace(carried, added)).toBe(want);
  });

  it("is none beside a value that nests too deep to be measured", () => {
    let nested: unknown = [];
    for (let depth = 0; depth < 100_000; depth += 1) nested = [nested];
    expect(hasSpace({ application: { x: nested }, system: [] }, { "dispatcher-attempt": 2 })).toBe(false);
  });
});
