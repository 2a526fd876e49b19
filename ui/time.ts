import { useEffect, useState } from "preact/hooks";
import { lengthText, timeText } from "../cli/text/times.ts";
import { html } from "./html.ts";

/** How far the Dispatcher's clock is ahead of this machine's. */
let aheadMs = 0;
const UNNOTICED_MS = 3_000;

/** Learns the Dispatcher's time from an answer that has one. */
export function hearTime(answer: unknown): void {
  const at = typeof answer === "object" && answer !== null && "at" in answer ? answer.at : undefined;
  if (typeof at !== "number") return;
  const ahead = at - Date.now();
  aheadMs = Math.abs(ahead) > UNNOTICED_MS ? ahead : 0;
}

/** The time by the Dispatcher's clock, as far as it is known. */
export function now(): number {
  return Date.now() + aheadMs;
}

const listeners = new Set<() => void>();
setInterval(() => {
  if (!document.hidden) for (const listener of listeners) listener();
}, 1_000);

/** Says how long ago something was, or how long until it is; the time itself is its title. */
export function Age({ at, ago = false }: { readonly at: number | undefined; readonly ago?: boolean }) {
  const words = () => (at === undefined ? "" : ageText(at, ago));
  const [text, setText] = useState(words);
  useEffect(() => {
    const update = () => setText(words());
    update();
    listeners.add(update);
    return () => void listeners.delete(update);
  }, [at, ago]);
  if (at === undefined) return html`<span class="none">–</span>`;
  return html`<time datetime=${new Date(at).toISOString()} title=${timeText(at)}>${text}</time>`;
}

function ageText(at: number, ago: boolean): string {
  const ms = now() - at;
  if (ms < 0) return `in ${lengthText(-ms)}`;
  return ago ? `${lengthText(ms)} ago` : lengthText(ms);
}
