import { timeText } from "../../cli/text/times.ts";
import type { EndsLately } from "../../shared/run/recent-ends.ts";
import { html } from "../html.ts";

const WIDTH = 5;
const HEIGHT = 20;

/** Draws done and failed of the last hour as a bar for each slot, what failed on top. Its title says the numbers. */
export function Sparkline({ lately: { since, slotMs, done, failed } }: { readonly lately: EndsLately }) {
  const both = done.map((count, slot) => count + (failed[slot] ?? 0));
  const most = Math.max(...both);
  if (most === 0) return html`<span class="none">–</span>`;
  const bar = (count: number, below: number, slot: number, tone: string) => {
    // What there is of it can be seen, however little it is beside the rest.
    const height = count === 0 ? 0 : Math.max(1.5, (HEIGHT * count) / most);
    const y = Math.max(0, HEIGHT - (HEIGHT * below) / most - height);
    return height > 0 && html`<rect class=${tone} x=${slot * WIDTH} y=${y} width=${WIDTH - 1} height=${height} />`;
  };
  const said = both.flatMap((count, slot) =>
    count === 0 ? [] : [`${clockText(since + slot * slotMs)}: ${done[slot]} done, ${failed[slot] ?? 0} failed`],
  );
  return html`
    <svg class="sparkline" viewBox=${`0 0 ${WIDTH * done.length - 1} ${HEIGHT + 1}`} role="img" aria-label=${said.join("; ")}>
      <title>${said.join("\n")}</title>
      ${both.map((_, slot) => html`<rect class="track" x=${slot * WIDTH} y=${HEIGHT} width=${WIDTH - 1} height="1" />`)}
      ${done.map((count, slot) => bar(count, 0, slot, "good"))}
      ${failed.map((count, slot) => bar(count, done[slot] ?? 0, slot, "bad"))}
    </svg>
  `;
}

/** Writes the hour and the minute, in UTC as all times are. */
function clockText(at: number): string {
  return timeText(at).slice(11, 16);
}
