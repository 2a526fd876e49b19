import { describe, expect, test } from "vitest";
import { type Command, parseFlags } from "../../shared/command-line.ts";

const COMMAND = {
  usage: "brew [FLAGS]",
  does: "Brews.",
  flags: {
    cups: { type: "string", default: "1", value: "N", says: "how many" },
    milk: { type: "boolean", says: "with milk" },
  },
} as const satisfies Command;
const WITH_WORDS = { ...COMMAND, words: { BEAN: "which" } };

describe("parseFlags", () => {
  test("reads flags, their defaults, and words if the command takes any", () => {
    expect(parseFlags(COMMAND, ["--milk"]).values).toEqual({ cups: "1", milk: true });
    expect(parseFlags(WITH_WORDS, ["a", "--cups=-2", "--", "--milk"])).toMatchObject({
      values: { cups: "-2" },
      positionals: ["a", "--milk"],
    });
  });

  test.each([
    { args: ["--tea"], says: "--tea is not a flag of this command" },
    { args: ["--tea=green"], says: "--tea is not a flag of this command" },
    { args: ["--toString"], says: "--toString is not a flag of this command" },
    { args: ["-x"], says: "-x is not a flag of this command" },
    { args: ["--no-milk"], says: "--no-milk is not a flag of this command" },
    { args: ["arabica"], says: '"arabica" is not a flag, and this command takes only flags' },
    { args: ["--milk=much"], says: "--milk takes no value" },
    { args: ["--cups"], says: "--cups needs a value" },
    { args: ["--cups", "--milk"], says: "--cups needs a value; write --cups=--milk if --milk is meant as one" },
  ])("refuses $args in one sentence", ({ args, says }) => {
    expect(() => parseFlags(COMMAND, args)).toThrow(new Error(says));
  });
});
