import { median, percentile } from "../statistics.ts";
import { compared, type Line, number, table } from "../table.ts";
import { type ApiServerUse, sumOf } from "./api-server-use.ts";
import type { ClusterFigures } from "./measure.ts";
import type { ProgramFigures } from "./watch-program.ts";

const MIB = 1024 * 1024;

/** Writes the figures of one size of message as a table for people. */
export function clusterText(figures: ClusterFigures): string {
  const { options, app, bare } = figures;
  const both = (figure: (figures: ProgramFigures) => number) => [figure(app), figure(bare)] as const;
  const latency = (share: number) => both(({ busy }) => percentile(busy.latenciesMs, share));
  const lines: Line[] = [
    {
      what: `messages of ${options.messageKib} KiB`,
      app: "app",
      bare: "bare calls",
      ratio: "app / bare",
      target: "target",
    },
    { what: "accepted per second, until all were open", app: number(figures.acceptedPerSecond, 0) },
    compared(
      `one tick, ${options.open} Jobs open, median ms`,
      both(({ quiet }) => median(quiet.ms)),
      0,
      "< 3000",
    ),
    compared(
      "the longest tick while messages came and went, ms",
      both(({ busy }) => Math.max(...busy.ms)),
      0,
    ),
    compared(
      "peak memory of the process, MiB",
      both(({ peakMib }) => peakMib ?? Number.NaN),
      0,
      "<= 200",
    ),
    compared("Job finished to message settled, p50 ms", latency(0.5), 0),
    compared("Job finished to message settled, p99 ms", latency(0.99), 0),
    ...[...figures.perMessage].map(([asked, { requests }]) => ({
      what: `${asked}, per message`,
      app: number(requests, 2),
      ...(asked === "POST jobs" || asked === "PATCH jobs" ? { target: "1" } : {}),
    })),
    ...tickLines(app.quiet.use, bare.quiet.use),
    ...cpuLines("per tick", (each) => each.quiet.cpu, app, bare),
    ...cpuLines("per message", (each) => each.busy.cpu, app, bare),
  ];
  return table(lines);
}

function tickLines(app: ApiServerUse, bare: ApiServerUse): Line[] {
  const asked = [...new Set([...app.keys(), ...bare.keys()])];
  const [appSum, bareSum] = [sumOf(app), sumOf(bare)];
  return [
    ...asked.map((name) => compared(`${name}, per tick`, [requestsOf(app, name), requestsOf(bare, name)], 1)),
    compared("MiB that the API server sends per tick", [appSum.bytes / MIB, bareSum.bytes / MIB], 2),
    compared("the API server's ms per tick, requests added up", [appSum.ms, bareSum.ms], 0),
  ];
}

function requestsOf(use: ApiServerUse, name: string): number {
  return use.get(name)?.requests ?? 0;
}

function cpuLines(
  per: string,
  of: (figures: ProgramFigures) => Readonly<Record<string, number>>,
  app: ProgramFigures,
  bare: ProgramFigures,
): Line[] {
  const names = Object.keys(of(app));
  return names.map((name) => {
    const who = name === "program" ? "the app's process" : name;
    const both = [of(app)[name] ?? Number.NaN, of(bare)[name] ?? Number.NaN] as const;
    return compared(`processor ms ${per}: ${who}`, both, 1);
  });
}
