import { describe, expect, it } from "vitest";
import { fitsInline } from "../../../shared/jobs/job-spec.ts";
import { bodyText, envText, propertiesJson } from "../../../shared/jobs/message-files.ts";
import type { PeekedMessage } from "../../../shared/run/message.ts";
import { aMessage, T0 } from "./objects.ts";

const back = ({ text, encoding }: ReturnType<typeof bodyText>) =>
  Buffer.from(text, encoding === "base64" ? "base64" : "utf8");
const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte);

const parse = (message: PeekedMessage): unknown => JSON.parse(propertiesJson(message));

describe("a body in its file", () => {
  it.each([
    { name: "text", body: Buffer.from("héllo €\r\n\t{$(HOME)}"), encoding: "utf-8" },
    { name: "empty", body: Buffer.alloc(0), encoding: "utf-8" },
    { name: "a byte order mark", body: Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]), encoding: "utf-8" },
    { name: "every byte there is", body: everyByte, encoding: "base64" },
    { name: "half a character", body: Buffer.from([0x61, 0xe2, 0x82]), encoding: "base64" },
    { name: "an overlong form", body: Buffer.from([0xc0, 0xaf]), encoding: "base64" },
    { name: "an encoded surrogate", body: Buffer.from([0xed, 0xa0, 0x80]), encoding: "base64" },
    { name: "text with a NUL", body: Buffer.from("a\0b"), encoding: "base64" },
    { name: "a view into a larger buffer", body: new Uint8Array(everyByte.buffer, 0x41, 3), encoding: "utf-8" },
  ])("comes back byte for byte: $name", ({ body, encoding }) => {
    const carried = bodyText(body);
    expect(carried.encoding).toBe(encoding);
    expect(Buffer.compare(back({ ...carried, text: String(JSON.parse(JSON.stringify(carried.text))) }), body)).toBe(0);
  });
});

describe("the properties file", () => {
  it("holds what the sender wrote beside the body", () => {
    const message = aMessage({
      subject: "s",
      correlationId: "c",
      contentType: "text/plain",
      properties: { a: 1, b: "x" },
    });
    expect(parse(message)).toEqual({
      messageId: "m-1",
      subject: "s",
      correlationId: "c",
      contentType: "text/plain",
      enqueuedAt: new Date(T0).toISOString(),
      sequenceNumber: 42,
      applicationProperties: { a: 1, b: "x" },
    });
  });

  it("says null where the message has none", () => {
    const { messageId: _, ...message } = aMessage();
    expect(parse(message)).toMatchObject({ messageId: null, subject: null, correlationId: null, contentType: null });
  });

  it.each([
    { name: "null", value: null, want: null },
    { name: "undefined", value: undefined, want: null },
    { name: "true", value: true, want: true },
    { name: "a double", value: 1.5, want: 1.5 },
    { name: "NaN", value: Number.NaN, want: "NaN" },
    { name: "infinity", value: Number.NEGATIVE_INFINITY, want: "-Infinity" },
    { name: "a long", value: 9_007_199_254_740_993n, want: "9007199254740993" },
    { name: "a timestamp", value: new Date(T0), want: new Date(T0).toISOString() },
    { name: "no timestamp", value: new Date(Number.NaN), want: null },
    { name: "a Buffer", value: Buffer.from([0, 255]), want: { base64: "AP8=" } },
    { name: "an ArrayBuffer", value: new Uint8Array([1]).buffer, want: { base64: "AQ==" } },
    { name: "a list", value: [1, "a", [null]], want: [1, "a", [null]] },
    { name: "a map", value: { a: { b: 1n } }, want: { a: { b: "1" } } },
    { name: "a function", value: () => 1, want: null },
    { name: "NUL, quotes and half a surrogate pair", value: '\0"\\\u2028\ud800', want: '\0"\\\u2028\ud800' },
  ])("carries a property of any type: $name", ({ value, want }) => {
    expect(parse(aMessage({ properties: { p: value } }))).toMatchObject({ applicationProperties: { p: want } });
  });

  it("survives a value that contains itself", () => {
    const loop: Record<string, unknown> = {};
    loop["self"] = loop;
    expect(() => propertiesJson(aMessage({ properties: loop }))).not.toThrow();
  });

  it("keeps 64 KB of properties, and drops what a pod's annotations could not hold", () => {
    const plain = propertiesJson(aMessage({ properties: { p: "x".repeat(64_000) } }));
    expect(JSON.parse(plain)).toMatchObject({ applicationProperties: { p: "x".repeat(64_000) } });

    const escaped = propertiesJson(aMessage({ properties: { p: "\u0001".repeat(64_000) } }));
    expect(JSON.parse(escaped)).toMatchObject({ messageId: "m-1", applicationPropertiesOmitted: true });
    const escapedId = propertiesJson(aMessage({ correlationId: "\u0001".repeat(64_000) }));
    expect(Buffer.byteLength(escapedId)).toBeLessThan(32_000);
  });
});

describe("a sender's id in an environment variable", () => {
  it.each([
    { name: "as it is", text: "日本 $(HOME) `x`\n", want: "日本 $(HOME) `x`\n" },
    { name: "without its NULs", text: "a\0b", want: "a\uFFFDb" },
    { name: "without half a surrogate pair", text: "a\ud800", want: "a\uFFFD" },
    { name: "cut, not in the middle of a character", text: `${"x".repeat(1023)}😀`, want: `${"x".repeat(1023)}\uFFFD` },
  ])("stands there $name", ({ text, want }) => {
    expect(envText(text)).toBe(want);
  });
});

describe("fitsInline", () => {
  const overhead = Buffer.byteLength(propertiesJson(aMessage()));
  const limit = 16 * 1024;

  it.each([
    { name: "text up to the last byte", body: Buffer.alloc(limit - overhead, "x"), want: true },
    { name: "text one byte over", body: Buffer.alloc(limit - overhead + 1, "x"), want: false },
    { name: "binary counted as the base64 that it becomes", body: Buffer.alloc(limit - overhead, 0xff), want: false },
    {
      name: "binary whose base64 fits",
      body: Buffer.alloc(Math.floor(((limit - overhead) / 4) * 3 - 3), 0xff),
      want: true,
    },
    { name: "empty", body: Buffer.alloc(0), want: true },
    { name: "a body at the size limit of a message", body: Buffer.alloc(100 * 1024 * 1024), want: false },
  ])("$name: $want", ({ body, want }) => {
    expect(fitsInline(aMessage({ body }))).toBe(want);
  });

  it("counts the properties too", () => {
    const body = Buffer.alloc(limit / 2, "x");
    expect(fitsInline(aMessage({ body, properties: { p: "x".repeat(limit / 2) } }))).toBe(false);
  });
});
