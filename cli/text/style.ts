import { styleText } from "node:util";

type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/**
 * Colours text for stdout. Leaves it plain if stdout is no terminal or a dumb one, or NO_COLOR is set. FORCE_COLOR
 * colours it in any case.
 */
export function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

/** Whether a line of this stream can be drawn again: it is a terminal that moves its cursor. */
export function isLive(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && process.env["TERM"] !== "dumb" && !process.env["CI"];
}
