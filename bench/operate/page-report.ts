import { median, percentile } from "../statistics.ts";
import { aligned, number, spread } from "../table.ts";
import { type PageFigures, WINDOW_MS } from "./measure-page.ts";

const LOOK_MS = 50;
const FIRST_PAINT_MS = 200;
const MOST_MORE_CPU_MS = 1_200;
const MOST_MORE_MIB = 5;

/** Writes the figures of the page for people, with the targets beside them. */
export function pageText({ looks, browser, serverMib }: PageFigures): string {
  return [
    aligned([
      ["the page, ms", "p50", "p95", "target"],
      ...looks.map(({ what, ms }) => times(`GET ${what}`, ms, `p95 <= ${LOOK_MS}`)),
      ...(browser ? [times("first paint in a browser", browser.firstPaintMs, `p50 <= ${FIRST_PAINT_MS}`)] : []),
    ]),
    "",
    browser
      ? costText(browser)
      : "There is no browser here, so that neither first paint nor an open view was measured.",
    `The page's server held ${number(serverMib, 0)} MiB at the end.`,
  ].join("\n");
}

function costText({ open, shut }: NonNullable<PageFigures["browser"]>): string {
  const line = (what: string, figure: "cpuMs" | "mib", digits: number, most: number) => {
    const more = open[figure].map((value, turn) => value - (shut[figure][turn] ?? Number.NaN));
    return [
      what,
      number(median(shut[figure]), digits),
      number(median(open[figure]), digits),
      spread(more, digits),
      `<= ${most}`,
    ];
  };
  return aligned([
    ["the app's process", "no view open", "one open", "more", "target"],
    line(`processor ms in ${WINDOW_MS / 1000} s`, "cpuMs", 0, MOST_MORE_CPU_MS),
    line("MiB", "mib", 1, MOST_MORE_MIB),
  ]);
}

function times(what: string, ms: readonly number[], target: string): string[] {
  return [what, ...[0.5, 0.95].map((share) => number(percentile(ms, share), 1)), target];
}
