import { aligned, number } from "../table.ts";
import type { BareFigures } from "./bare-jobs.ts";
import { type Fate, type Spread, spreadOf, type TIMES } from "./fate.ts";
import type { PeersFigures } from "./measure.ts";
import { BAD, type ContenderFigures, GOOD, PACE_MS, type Wave } from "./scenarios.ts";

/** A row of the table: what was measured, a cell for each contender, the bare Jobs, and the target. */
interface Row {
  readonly what: string;
  readonly of?: (figures: ContenderFigures) => string;
  readonly bare?: string;
  readonly target?: string;
}

/** The target of a row in which the Dispatcher is to be ahead of ScaledJobs. */
const AHEAD = "least";
const TARGETS = { endToGone: "<= 1.2", burstRatio: "<= 1.05", cpuMs: "<= 14", requests: "<= 4.5", idleCpuS: "<= 0.3" };

/** Writes the figures side by side for people, with the targets beside them. */
export function peersText(figures: PeersFigures): string {
  const rows = [singlesRows, burstRows, dyingRows, brokenRows, idleRows].flatMap((rowsOf) => rowsOf(figures));
  const { contenders } = figures;
  const letters = contenders.map(({ name, dying }) => `  ${name}: ${lettersOf(dying.dead)[0] ?? "there is none"}`);
  return [
    "times are p50 / p95 / last",
    aligned([
      ["", ...contenders.map(({ name }) => name), "bare Jobs", "target"],
      ...rows.map(({ what, of = () => "", bare = "", target = "" }) => [what, ...contenders.map(of), bare, target]),
    ]),
    "",
    "what a dead letter of the workers that always die says",
    ...letters,
  ].join("\n");
}

function singlesRows({ options, bare }: PeersFigures): Row[] {
  const endToGone = timeRow("container ended to gone", ({ singles }) => singles.fates, "endToGone");
  return [
    { what: `${options.singles} single messages, one every ${PACE_MS / 1000} s` },
    ...waveRows(({ singles }) => singles, bare.singles),
    { ...endToGone, bare: spreadText(spreadOf(bare.singles, "endToGone")), target: TARGETS.endToGone },
    { what: "  container ended to pod succeeded", bare: spreadText(spreadOf(bare.singles, "endToPodSucceeded")) },
  ];
}

function burstRows({ options: { burst: count }, bare }: PeersFigures): Row[] {
  return [
    { what: `${count} messages at once` },
    ...waveRows(({ burst }) => burst, bare.burst),
    {
      what: "  the last one gone, times the bare Jobs",
      of: ({ burst }) => number(burstRatio(burst.fates, bare), 2),
      target: TARGETS.burstRatio,
    },
    {
      what: "  processor ms per message",
      of: ({ burst }) => number(burst.cost.cpuMs / count, 1),
      target: TARGETS.cpuMs,
    },
    {
      what: "  API requests per message",
      of: ({ burst }) => number(burst.cost.requests / count, 1),
      target: TARGETS.requests,
    },
  ];
}

function dyingRows(): Row[] {
  return [
    { what: `${BAD.dying} messages whose worker always dies, then ${GOOD} good ones` },
    { ...timeRow("good ones: sent to gone", ({ dying }) => dying.good, "toGone"), target: AHEAD },
    timeRow("the others: sent to dead-lettered", ({ dying }) => dying.dead, "toGone"),
    { what: "  the others: dead-lettered", of: ({ dying }) => String(lettersOf(dying.dead).length) },
    {
      what: "  workers in all; those without a message",
      of: ({ dying: { dead, good, idleWorkers } }) => `${workersOf([...dead, ...good]) + idleWorkers}; ${idleWorkers}`,
    },
  ];
}

function brokenRows({ options }: PeersFigures): Row[] {
  return [
    { what: `${BAD.broken} messages whose image is missing, then ${GOOD} good ones` },
    { ...timeRow("good ones: sent to gone", ({ broken }) => broken.good, "toGone"), target: AHEAD },
    {
      what: `  after ${options.watchSeconds} s: Jobs made; slots held`,
      of: ({ broken: { jobs, jobsAtWork } }) => `${jobs}; ${jobsAtWork}`,
      target: AHEAD,
    },
    { what: "  dead-lettered", of: ({ broken }) => String(lettersOf(broken.fates).length), target: "0" },
  ];
}

function idleRows(): Row[] {
  return [
    { what: "a minute without messages" },
    { what: "  processor s", of: ({ idle }) => number(idle.cpuMs / 1000, 2), target: TARGETS.idleCpuS },
    { what: "  API requests", of: ({ idle }) => number(idle.requests, 1) },
  ];
}

/** How long the burst took until its last message was gone, in terms of what the same Jobs take without messages. */
export function burstRatio(fates: readonly Fate[], bare: Pick<BareFigures, "burst">): number {
  return spreadOf(fates, "toGone").last / spreadOf(bare.burst, "toGone").last;
}

/** How many workers a message took, those without a message included. */
export function workersPerMessage({ fates, idleWorkers }: Pick<Wave, "fates" | "idleWorkers">): number {
  return (workersOf(fates) + idleWorkers) / fates.length;
}

function waveRows(wave: (figures: ContenderFigures) => Wave, bare: readonly Fate[]): Row[] {
  const time = (what: string, name: keyof typeof TIMES): Row => ({
    ...timeRow(what, (figures) => wave(figures).fates, name),
    bare: spreadText(spreadOf(bare, name)),
    target: AHEAD,
  });
  return [
    time("message to container started", "toStart"),
    time("message to gone", "toGone"),
    { what: "  pods per message", of: (figures) => number(workersPerMessage(wave(figures)), 2), target: "1" },
  ];
}

function timeRow(what: string, fates: (figures: ContenderFigures) => readonly Fate[], time: keyof typeof TIMES): Row {
  return { what: `  ${what}, s`, of: (figures) => spreadText(spreadOf(fates(figures), time)) };
}

function spreadText({ p50, p95, last }: Spread): string {
  return [p50, p95, last].map((ms) => (ms === Infinity ? "never" : number(ms / 1000, 2))).join(" / ");
}

function workersOf(fates: readonly Fate[]): number {
  return fates.reduce((sum, { workers }) => sum + workers, 0);
}

function lettersOf(fates: readonly Fate[]): string[] {
  return fates.flatMap(({ letter }) => (letter === undefined ? [] : [`${letter.reason}: ${letter.description}`]));
}
