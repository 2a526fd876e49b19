import { median, percentile } from "../statistics.ts";
import { compared, type Line, NOTES, paired, table } from "../table.ts";
import { type ApiUse, bytesOfWhole } from "./counted-api.ts";
import type { ClusterFigures } from "./measure.ts";
import { SLOTS } from "./slots.ts";
import type { ProgramFigures } from "./watch-program.ts";

const MIB = 1024 * 1024;
const AT_MOST_A_QUARTER = "<= 0.25";

/** Writes the figures of one size of message as a table for people. */
export function clusterText(figures: ClusterFigures): string {
  const { options } = figures;
  const heading = { app: "app", bare: "bare calls", ratio: "app / bare", target: "target" };
  const lines = [
    { what: `messages of ${options.messageKib} KiB`, ...heading },
    ...acceptLines(figures),
    paired(
      `Jobs of 0.1 s per second, ${SLOTS} at a time (bare: Jobs alone)`,
      figures.shortPerSecond,
      (perSecond) => perSecond,
      1,
      ">= 0.8",
    ),
    ...settleLines(figures),
    ...tickLines(figures),
    ...useLines(figures),
    ...cpuLines("per minute without messages", (each) => each.quiet.cpu, figures),
    ...cpuLines("per message", (each) => each.busy.cpu, figures),
  ];
  return `${table(lines)}\n\n${NOTES}`;
}

function acceptLines({ accepted }: ClusterFigures): Line[] {
  return [
    paired("accepted messages per second", accepted, ({ perSecond }) => perSecond, 0, "(>= 0.95)"),
    paired("accepted messages per processor second", accepted, ({ cpuMs }) => 1000 / cpuMs, 0, ">= 0.95"),
  ];
}

function settleLines(figures: ClusterFigures): Line[] {
  const { open, perSecond } = figures.options;
  const line = (since: "sinceFinished" | "sinceExited", share: number, targetMs?: number): Line => {
    const from = since === "sinceFinished" ? "Job finished" : "container exited";
    const times = both(figures, ({ busy }) => percentile(busy.latenciesMs[since], share));
    const target = targetMs === undefined ? undefined : `<= ${targetMs} ms`;
    return compared(`${from} to message settled, p${share * 100} ms`, times, 0, target);
  };
  return [
    { what: `with ${open} Jobs open, and ${perSecond} messages per second:`, app: "" },
    line("sinceFinished", 0.5, 150),
    line("sinceFinished", 0.95, 1000),
    line("sinceFinished", 0.99, 2000),
    line("sinceExited", 0.5),
    line("sinceExited", 0.95, 3000),
  ];
}

function tickLines(figures: ClusterFigures): Line[] {
  const { lightMs } = figures.app.quiet;
  return [
    compared(
      "a tick that lists, median ms",
      both(figures, ({ quiet }) => median(quiet.listingMs)),
      0,
    ),
    compared(
      "any tick, median ms",
      both(figures, ({ quiet }) => median([...quiet.listingMs, ...quiet.lightMs])),
      0,
    ),
    compared(
      "the longest tick while messages came and went, ms",
      both(figures, ({ busy }) => Math.max(...busy.ms)),
      0,
    ),
    compared(
      "peak memory of the process, MiB",
      both(figures, ({ peakMib }) => peakMib ?? Number.NaN),
      0,
    ),
    { what: "light ticks among those without messages", app: String(lightMs.length) },
  ];
}

function useLines(figures: ClusterFigures): Line[] {
  const quiet = both(figures, ({ quiet }) => quiet.use);
  const busy = both(figures, ({ busy }) => busy.use);
  const asked = [...new Set(quiet.flatMap((use) => [...use.keys()]))];
  return [
    compared("lists and watch, MiB per minute without messages", mib(quiet), 2, AT_MOST_A_QUARTER),
    compared("lists and watch, MiB per minute with messages", mib(busy), 2, AT_MOST_A_QUARTER),
    ...asked.map((name) => compared(`${name}, requests per minute without messages`, requestsOf(name, quiet), 1)),
    ...[...figures.perMessage].map(([name, { requests }]) => ({
      what: `${name}, requests per message`,
      app: requests.toFixed(2),
    })),
  ];
}

function mib([app, bare]: readonly [ApiUse, ApiUse]): readonly [number, number] {
  return [bytesOfWhole(app) / MIB, bytesOfWhole(bare) / MIB];
}

function requestsOf(name: string, [app, bare]: readonly [ApiUse, ApiUse]): readonly [number, number] {
  return [app.get(name)?.requests ?? 0, bare.get(name)?.requests ?? 0];
}

function cpuLines(
  per: string,
  of: (figures: ProgramFigures) => Readonly<Record<string, number>>,
  figures: ClusterFigures,
): Line[] {
  const names = Object.keys(of(figures.app));
  return names.map((name) => {
    const who = name === "program" ? "this process" : name;
    return compared(
      `processor ms ${per}, ${who}`,
      both(figures, (each) => of(each)[name] ?? Number.NaN),
      1,
    );
  });
}

function both<T>({ app, bare }: ClusterFigures, of: (figures: ProgramFigures) => T): readonly [T, T] {
  return [of(app), of(bare)];
}
