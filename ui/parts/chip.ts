import { statusWord } from "../../cli/text/status-words.ts";
import type { ClosedStatus, OpenStatus } from "../../shared/run/run.ts";
import { type Children, html } from "../html.ts";

/** What a colour says: at work, well, bad, waiting, or nothing of these. */
export type Tone = "work" | "good" | "bad" | "wait" | "plain";

const TONES: Readonly<Record<OpenStatus | ClosedStatus, Tone>> = {
  accepted: "work",
  dispatched: "work",
  settling: "work",
  waiting: "wait",
  requeueing: "wait",
  held: "wait",
  succeeded: "good",
  failed: "bad",
  rejected: "bad",
  lost: "bad",
  cancelled: "plain",
  withdrawn: "plain",
};

/** A word with its colour. */
export function Chip({ tone, children }: { readonly tone: Tone; readonly children: Children }) {
  return html`<span class=${`chip ${tone}`}>${children}</span>`;
}

/** The status of a run. */
export function StatusChip({ status }: { readonly status: OpenStatus | ClosedStatus }) {
  return html`<${Chip} tone=${TONES[status] ?? "plain"}>${statusWord(status)}<//>`;
}
