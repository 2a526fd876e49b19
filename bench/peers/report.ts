import { number } from "../table.ts";
import type { BareFigures } from "./bare-jobs.ts";
import { type Fate, type Spread, spreadOf, type TIMES } from "./fate.ts";
import type { PeersFigures } from "./measure.ts";
import { BAD, type ContenderFigures, GOOD, PACE_MS, type Wave } from "./scenarios.ts";

type Row = readonly string[];
/** Writes the cell of a contender. */
type Cell = (figures: ContenderFigures) => string;

/** Writes the figures side by side for people, with the targets beside them. */
export function peersText(figures: PeersFigures): string {
  const { options, contenders, bare } = figures;
  const row = (what: string, cell: Cell, { bare = "", target = "" } = {}): Row => [
    what,
    ...contenders.map(cell),
    bare,
    target,
  ];
  const rows: Row[] = [
    ["", ...contenders.map(({ name }) => name), "bare Jobs", "target"],
    row(`${options.singles} single messages, one every ${PACE_MS / 1000} s`, () => ""),
    ...waveRows(row, ({ singles }) => singles, bare.singles),
    row(
      "  container ended to gone, s",
      timeCell(({ singles }) => singles.fates, "endToGone"),
      {
        bare: spreadText(spreadOf(bare.singles, "endToGone")),
        target: "<= 1.2",
      },
    ),
    row(`${options.burst} messages at once`, () => ""),
    ...waveRows(row, ({ burst }) => burst, bare.burst),
    row("  the last one gone, times the bare Jobs", ({ burst }) => number(burstRatio(burst.fates, bare), 2), {
      target: "<= 1.05",
    }),
    row("  processor ms per message", ({ burst }) => number(burst.cost.cpuMs / options.burst, 1), { target: "<= 14" }),
    row("  API requests per message", ({ burst }) => number(burst.cost.requests / options.burst, 1), {
      target: "<= 4.5",
    }),
    row(`${BAD.dying} messages whose worker always dies, then ${GOOD} good ones`, () => ""),
    row(
      "  good ones: sent to gone, s",
      timeCell(({ dying }) => dying.good, "toGone"),
    ),
    row(
      "  the others: sent to dead-lettered, s",
      timeCell(({ dying }) => dying.dead, "toGone"),
    ),
    row("  the others: dead-lettered", ({ dying: { dead } }) => String(lettersOf(dead).length)),
    row("  workers in all, without a message", ({ dying: { dead, good, idleWorkers } }) => {
      return `${workersOf([...dead, ...good]) + idleWorkers}, ${idleWorkers}`;
    }),
    row(`${BAD.broken} messages whose image is missing, then ${GOOD} good ones`, () => ""),
    row(
      "  good ones: sent to gone, s",
      timeCell(({ broken }) => broken.good, "toGone"),
    ),
    row(`  after ${options.watchSeconds} s: Jobs made, places held`, ({ broken: { jobs, jobsAtWork } }) => {
      return `${jobs}, ${jobsAtWork}`;
    }),
    row("  dead-lettered", ({ broken }) => String(lettersOf(broken.fates).length)),
    row("A minute without messages", () => ""),
    row("  processor s", ({ idle }) => number(idle.cpuMs / 1000, 2), { target: "<= 0.3" }),
    row("  API requests", ({ idle }) => number(idle.requests, 1)),
  ];
  return [
    "times are p50 / p95 / last",
    aligned(rows),
    "",
    "What the dead letters of the workers that always die say",
    ...contenders.flatMap(({ name, dying }) =>
      lettersOf(dying.dead)
        .slice(0, 1)
        .map((text) => `  ${name}: ${text}`),
    ),
  ].join("\n");
}

/** How long the burst took until its last message was gone, in terms of what the same Jobs take without messages. */
export function burstRatio(fates: readonly Fate[], bare: Pick<BareFigures, "burst">): number {
  return spreadOf(fates, "toGone").last / spreadOf(bare.burst, "toGone").last;
}

/** How many workers a message took, those without a message included. */
export function workersPerMessage({ fates, idleWorkers }: Pick<Wave, "fates" | "idleWorkers">): number {
  return (workersOf(fates) + idleWorkers) / fates.length;
}

function waveRows(
  row: (what: string, cell: Cell, more?: { bare: string }) => Row,
  wave: (figures: ContenderFigures) => Wave,
  bare: readonly Fate[],
): Row[] {
  const time = (what: string, name: keyof typeof TIMES) =>
    row(
      what,
      timeCell((figures) => wave(figures).fates, name),
      { bare: spreadText(spreadOf(bare, name)) },
    );
  return [
    time("  message to container started, s", "toStart"),
    time("  message to gone, s", "toGone"),
    row("  pods per message", (figures) => number(workersPerMessage(wave(figures)), 2)),
  ];
}

function timeCell(fates: (figures: ContenderFigures) => readonly Fate[], time: keyof typeof TIMES): Cell {
  return (figures) => spreadText(spreadOf(fates(figures), time));
}

function spreadText({ p50, p95, last }: Spread): string {
  return [p50, p95, last]
    .map((ms) => (ms === Infinity ? "never" : number(ms / 1000, ms < 100_000 ? 2 : 0)))
    .join(" / ");
}

function workersOf(fates: readonly Fate[]): number {
  return fates.reduce((sum, { workers }) => sum + workers, 0);
}

function lettersOf(fates: readonly Fate[]): string[] {
  return fates.flatMap(({ letter }) => (letter === undefined ? [] : [`${letter.reason}: ${letter.description}`]));
}

/** Writes rows in columns that are as wide as their widest cell. The first is on the left, the others on the right. */
function aligned(rows: readonly Row[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
