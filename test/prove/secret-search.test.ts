import { describe, expect, it } from "vitest";
import { SecretSearch } from "../../local/kit/secret-search.ts";
import { LeakyLines } from "../../prove/audit/leaky-lines.ts";

const BODY = "canaryBody";
const KEY = "Eby8vdM02xNO/qFlq+JPLl==";
const search = new SecretSearch({ "a body": BODY, "a key": KEY });

const bytes = Buffer.from(`{"note":"${BODY}"}`);

describe("the search for secrets", () => {
  it.each([
    { name: "as it is", text: `JSON.parse: unexpected token in "${BODY}"...`, want: "a body" },
    { name: "between others", text: `x${BODY}${BODY}x`, want: "a body" },
    { name: "as JSON in JSON", text: JSON.stringify({ why: JSON.stringify({ note: BODY }) }), want: "a body" },
    { name: "in base64", text: bytes.toString("base64"), want: "a body" },
    { name: "in base64, a byte later", text: Buffer.from(` ${BODY}.`).toString("base64"), want: "a body" },
    { name: "in base64, two bytes later", text: Buffer.from(`  ${BODY}`).toString("base64"), want: "a body" },
    { name: "as bytes in hex", text: bytes.toString("hex"), want: "a body" },
    {
      name: "as Node inspects bytes",
      text: `<Buffer ${bytes.toString("hex").match(/../g)?.join(" ")}>`,
      want: "a body",
    },
    { name: "as Node writes bytes as JSON", text: JSON.stringify(bytes), want: "a body" },
    { name: "with signs in it", text: `AccountKey=${KEY};`, want: "a key" },
    { name: "in a URL", text: `?key=${encodeURIComponent(KEY)}&x=1`, want: "a key" },
  ])("finds one $name", ({ text, want }) => {
    expect(search.find(text)?.names).toEqual([want]);
  });

  it.each([
    "https://a/b?sv=1&sig=abc%2Bdef%3D&se=2",
    String.raw`{"url":"https://a/b?sv=1\u0026sig=abcdefgh"}`,
    "https://a/b?next=https%3A%2F%2Fc%3Fsv%3D1%26sig%3Dabcdefgh",
    "SharedAccessSignature sr=sb%3A%2F%2Fa&sig=abcdefgh%3D&se=1&skn=x",
  ])("finds the signature in %s", (text) => {
    expect(search.find(text)?.names).toEqual(["the signature of a URL"]);
  });

  it.each(["", "https://a/b?sv=1&sig=...&se=2", "design=abcdefghij", "AccountKey=...", "canary", "Body"])(
    "finds nothing in: %s",
    (text) => {
      expect(search.find(text)).toBeUndefined();
      expect(search.crossedOut(text)).toBe(text);
    },
  );

  it("names each once, and shows how the text begins and what stands around the first, without any of them", () => {
    const far = "far ".repeat(100);
    const found = search.find(`closed a run ${far}before ${BODY} after ${KEY} and ${BODY}, ?sig=abcdefgh ${far}`);
    expect(found?.names).toEqual(["a body", "a key", "the signature of a URL"]);
    expect(found?.excerpt).toContain("before <a body> after <a key> and <a body>, ?sig=<the signature of a URL>");
    expect(found?.excerpt).toMatch(/^closed a run far/);
    expect(found?.excerpt.length).toBeLessThan(400);
  });

  it.each([0, 100, 130, 200, 240, 250])("shows no part of a text twice: %i characters before it", (length) => {
    const numbers = Array.from({ length }, (_, index) => String.fromCodePoint(0x4e00 + index)).join("");
    const shown = search.find(numbers + BODY)?.excerpt.replace(" ... ", "") ?? "";
    expect(new Set(shown).size).toBe(shown.length);
    expect(numbers.startsWith(shown.slice(0, Math.min(length, 120)))).toBe(true);
  });

  it("refuses a secret that is too short to be looked for", () => {
    expect(() => new SecretSearch({ "a key": "local" })).toThrow("a key is too short");
    expect(() => new SecretSearch({ "a key": "" })).toThrow("a key is too short");
  });
});

describe("lines that leak", () => {
  it("are counted by their writer and by what they hold, and the first is shown", () => {
    const lines = new LeakyLines(search);
    lines.note("replica 1", "closed a run");
    lines.note("replica 1", `one: ${BODY}`);
    lines.note("replica 1", `two: ${BODY}`);
    lines.note("replica 2", `both: ${BODY} ${KEY}`);
    expect(lines.findings).toEqual([
      { kind: "leak", about: "replica 1", what: "2 of its lines hold a body, such as: one: <a body>" },
      {
        kind: "leak",
        about: "replica 2",
        what: "1 of its lines hold a body and a key, such as: both: <a body> <a key>",
      },
    ]);
  });

  it("are none if nothing leaks", () => {
    const lines = new LeakyLines(search);
    lines.note("replica 1", "left a run to the next tick: ?sig=...");
    expect(lines.findings).toEqual([]);
  });
});
