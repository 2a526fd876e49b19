import { describe, expect, test } from "vitest";
import { wholeNumber } from "../../shared/command-line.ts";

describe("wholeNumber", () => {
  test.each(["2", "64", "007"])("takes %s", (text) => {
    expect(wholeNumber(2, 64)(text)).toBe(Number(text));
  });

  test.each(["1", "65", "-2", "2.5", "1e1", " 2", "0x2", "many", ""])(
    "refuses %j, and says what is allowed",
    (text) => {
      expect(() => wholeNumber(2, 64)(text)).toThrow("Give a whole number from 2 to 64.");
    },
  );
});
