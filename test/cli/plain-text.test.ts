import { describe, expect, test } from "vitest";
import { plainJson, plainText } from "../../cli/text/plain-text.ts";
import { plainUpTo, widthOf } from "../../cli/text/width.ts";

describe("text from outside", () => {
  test.each([
    ["plain", "plain"],
    ["日本 é 👩‍👩‍👧 ok", "日本 é 👩‍👩‍👧 ok"],
    ["a\u001b[31mred\u001b[0m", "a␛[31mred␛[0m"],
    ["\u001b]0;title\u0007", "␛]0;title␇"],
    ["\u009b2J", "\\u{9b}2J"],
    ["a\nb\r\nc\td\re", "a b c d e"],
    ["safe\u202egnp.exe", "safe\\u{202e}gnp.exe"],
    ["\u2066x\u2069 \u200f \u061c", "\\u{2066}x\\u{2069} \\u{200f} \\u{61c}"],
    ["\u2028\ufeff\u{e0041}", "\\u{2028}\\u{feff}\\u{e0041}"],
    ["half \ud800 of it", "half \ufffd of it"],
    [`e${"\u0301".repeat(1000)}!`, `e${"\u0301".repeat(4)}!`],
    ["\u0000\u007f\b", "␀␡␈"],
  ])("is shown without doing anything: %j", (text, shown) => {
    expect(plainText(text)).toBe(shown);
  });

  test.each([
    ["abcdef", 6, "abcdef"],
    ["abcdefg", 6, "abcde…"],
    ["日本語日本語", 6, "日本…"],
    ["日本語日本語", 7, "日本語…"],
    ["👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧", 4, "👩‍👩‍👧…"],
    ["abc", 1, "…"],
    ["abc", 0, ""],
    ["\u001b[31m", 3, "␛[…"],
  ])("of %j is cut to the columns that it takes, %i", (text, width, shown) => {
    expect(plainUpTo(text, width)).toBe(shown);
    expect(widthOf(plainUpTo(text, width))).toBeLessThanOrEqual(width);
  });

  test("of 200 KB is cut at once", () => {
    const start = performance.now();
    expect(plainUpTo("x\u001b".repeat(100_000), 40)).toHaveLength(40);
    expect(performance.now() - start).toBeLessThan(50);
  });

  test("as JSON is the same to a program, and does nothing to a terminal", () => {
    const value = { id: "\u001b[31m\u009b\u202e\u{e0041}é" };
    const text = plainJson(value, 2);
    expect(JSON.parse(text)).toEqual(value);
    expect(["\u001b", "\u009b", "\u202e", "\u{e0041}"].filter((unsafe) => text.includes(unsafe))).toEqual([]);
    expect(text).toContain("é");
  });
});
