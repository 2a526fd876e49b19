import { median, percentile } from "../statistics.ts";
import { aligned, number, spread } from "../table.ts";
import type { OperateFigures } from "./measure-operate.ts";
import { pageText } from "./page-report.ts";
import type { RedriveFigures } from "./redrive-letters.ts";

const MOST_MORE_MIB = 3;
const FEWEST_A_SECOND = 200;

/** Writes the figures for people, with the targets beside them. */
export function operateText({ options: { runs }, looks, redrive, commands, page, idleMib }: OperateFigures): string {
  const open = runs.working + runs.waiting + runs.later + runs.held;
  const more = idleMib.many.map((mib, round) => mib - (idleMib.none[round] ?? Number.NaN));
  return [
    aligned([
      [`beside ${open} open runs and ${runs.closed} closed ones, ms`, "p50", "p95", "bare p50", "bare p95", "target"],
      ...looks.map(({ what, targetMs, ms, bareMs }) => [
        what,
        ...[ms, bareMs].flatMap((times) => [0.5, 0.95].map((share) => number(percentile(times, share), 1))),
        `p95 <= ${targetMs}`,
      ]),
    ]),
    ...(redrive === undefined ? [] : ["", redriveText(redrive)]),
    "",
    aligned([
      ["a whole process, ms", "p50", "p95", "node p50", "node p95", "target"],
      ...commands.map(({ what, targetMs, ms, nodeMs }) => [
        what,
        ...[ms, nodeMs].flatMap((times) => [0.5, 0.95].map((share) => number(percentile(times, share), 0))),
        `p50 <= ${targetMs}`,
      ]),
    ]),
    "",
    pageText(page),
    "",
    aligned([
      ["MiB of an idle app", "none closed", `${runs.closed} closed`, "more", "target"],
      [
        "beside the same open runs",
        number(median(idleMib.none), 0),
        number(median(idleMib.many), 0),
        spread(more, 1),
        `<= ${MOST_MORE_MIB}`,
      ],
    ]),
  ].join("\n");
}

function redriveText({ letters, seconds, bareSeconds, cpuMs, bareCpuMs }: RedriveFigures): string {
  return aligned([
    [`${letters} dead letters redriven, until the last is deferred`, "app", "bare", "target"],
    ["a second", number(letters / seconds, 0), number(letters / bareSeconds, 0), `>= ${FEWEST_A_SECOND}`],
    ["processor ms a letter", number(cpuMs, 2), number(bareCpuMs, 2), ""],
  ]);
}
