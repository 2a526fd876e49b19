import { describe, expect, it } from "vitest";
import { textPicture } from "../support/text-picture.ts";

const ESC = "\u001b";
const textsOf = (svg: string) => [
  ...svg.matchAll(/<text x="([\d.]+)"[^>]*?( fill="#\w+")?( font-weight="bold")?>([^<]*)</g),
];

describe("a text picture", () => {
  it("has each word at its column, in its colour", () => {
    const svg = textPicture(
      "dispatcher status",
      `${ESC}[1mMODULE${ESC}[22m   DONE\n  ${ESC}[31m!${ESC}[39m it is held\n`,
    );
    const found = textsOf(svg).map(([, x, fill, bold, text]) => ({
      x,
      isColoured: Boolean(fill),
      isBold: Boolean(bold),
      text,
    }));
    expect(found).toEqual([
      { x: "20", isColoured: true, isBold: false, text: "$ dispatcher status" },
      { x: "20.0", isColoured: false, isBold: true, text: "MODULE" },
      { x: "95.6", isColoured: false, isBold: false, text: "DONE" },
      { x: "36.8", isColoured: true, isBold: false, text: "!" },
      { x: "53.6", isColoured: false, isBold: false, text: "it is held" },
    ]);
    expect(svg).not.toContain(ESC);
  });

  it("is as large as its text, and takes nothing of it for markup", () => {
    const svg = textPicture("x", "a < b && c > d\n\nend");
    expect(svg).toContain("a &lt; b &amp;&amp; c &gt; d");
    expect(svg).toContain('width="158" height="136"');
  });
});
