import { bodyText } from "../operate/views/body-text.ts";
import type { PeekedMessage } from "../run/message.ts";

/** More of a body would help nobody on a screen. */
const MOST_BODY_CHARACTERS = 256 * 1024;

/** Writes body and properties of a message on the bus for a screen, or null if they were not peeked at. */
export function shownContent({
  content,
  bodyBytes,
}: {
  readonly content?: Pick<PeekedMessage, "body" | "properties" | "contentType">;
  readonly bodyBytes: number;
}) {
  if (!content) return null;
  const { body, encoding } = bodyText(content.body);
  return {
    ...content,
    body: body.slice(0, MOST_BODY_CHARACTERS),
    encoding,
    isCut: body.length > MOST_BODY_CHARACTERS,
    bodyBytes,
  };
}
