/** A message's body for people and JSON. */
export interface BodyText {
  readonly body: string;
  readonly encoding: "utf8" | "base64";
}

/** Writes a body as text if it is text, and otherwise as base64. */
export function bodyText(body: Uint8Array): BodyText {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const text = bytes.toString("utf8");
  return text.includes("\ufffd")
    ? { body: bytes.toString("base64"), encoding: "base64" }
    : { body: text, encoding: "utf8" };
}
