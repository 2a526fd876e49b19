import type { TableCounts } from "../../local/table-server/start-table-server.ts";
import { median } from "../statistics.ts";
import { number, spread } from "../table.ts";
import type { BacklogFigures } from "./measure-backlog.ts";
import type { Pair } from "./pair.ts";

const MOST_TICK_RATIO = 1.5;
const LEAST_ACCEPT_RATIO = 0.9;
const MOST_MIB = 200;

/** Writes the figures for people, with the targets beside them. */
export function backlogText({ options, ticks, messages, counts, lives }: BacklogFigures): string {
  const { none, many } = ticks;
  return [
    row("", "none wait", `${options.backlog} wait`, "ratio", "target"),
    row(
      `a tick beside ${options.working} runs, five of six light, ms`,
      spread(none.ms, 0),
      spread(many.ms, 0),
      number(median(many.ms) / median(none.ms), 2),
      `<= ${MOST_TICK_RATIO}`,
    ),
    row("its processor ms", number(none.cpuMs, 0), number(many.cpuMs, 0), number(many.cpuMs / none.cpuMs, 2)),
    row("it asks of the table", countsText(none.counts), countsText(many.counts)),
    acceptRow(
      "processor ms of a message that starts",
      both(messages, ({ cpuMs }) => cpuMs.starts),
    ),
    acceptRow(
      "processor ms of a message that waits",
      both(messages, ({ cpuMs }) => cpuMs.waits),
    ),
    row(
      "peak memory of the app's process, MiB",
      number(mostOf(none.peakMib, messages.none.peakMib), 0),
      number(mostOf(many.peakMib, messages.many.peakMib), 0),
      "",
      `<= ${MOST_MIB}`,
    ),
    "",
    row("What a message asks of the table", "none wait", `${options.backlog} wait`),
    row("to start, when it is delivered", countsText(counts.none.starts), countsText(counts.many.starts)),
    row("to wait, when it is delivered", countsText(counts.none.waits), countsText(counts.many.waits)),
    row("to start, succeed and be settled", countsText(lives.delivered)),
    row("the same, from its place in line", countsText(lives.fromLine)),
  ].join("\n");
}

/** How fast messages are accepted beside the backlog: the median of the rounds, each of which measured both. */
function acceptRow(what: string, { none, many }: Pair<readonly number[]>): string {
  const ratios = none.map((ms, round) => ms / (many[round] ?? Number.NaN));
  return row(what, spread(none, 2), spread(many, 2), number(median(ratios), 2), `>= ${LEAST_ACCEPT_RATIO}`);
}

function both<T, U>({ none, many }: Pair<T>, of: (one: T) => U): Pair<U> {
  return { none: of(none), many: of(many) };
}

function mostOf(...mib: readonly (number | undefined)[]): number {
  return Math.max(...mib.map((one) => one ?? Number.NaN));
}

function countsText({ requests, written, read }: TableCounts): string {
  return `${number(requests, 1)} requests, ${number(written, 1)} rows written, ${number(read, 1)} read`;
}

function row(what: string, none: string, many = "", ratio = "", target = ""): string {
  return [what.padEnd(50), none.padStart(46), many.padStart(46), ratio.padStart(6), target.padStart(7)]
    .join(" ")
    .trimEnd();
}
