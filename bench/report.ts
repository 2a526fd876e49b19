import { availableParallelism, cpus, totalmem } from "node:os";
import type { AcceptRound } from "./measure-accept.ts";
import type { TickFigures } from "./measure-tick.ts";
import type { RequestCounts } from "./servers.ts";
import { median, percentile } from "./statistics.ts";
import { compared, type Line, table } from "./table.ts";

/** The figures about accepting messages. */
export interface AcceptFigures {
  readonly messages: number;
  readonly app: readonly AcceptRound[];
  readonly bare: readonly AcceptRound[];
  readonly requests: { readonly app: RequestCounts; readonly bare: RequestCounts };
}

/** Describes the machine that the figures were measured on. */
export function machineText(): string {
  const [cpu] = cpus();
  const gib = Math.round(totalmem() / 1024 ** 3);
  return `${availableParallelism()} cores (${cpu?.model.trim() ?? "unknown"}), ${gib} GiB, ${process.platform} ${process.arch}, Node ${process.version}`;
}

/** Writes the figures of both parts as one table for people. */
export function reportText(accept: AcceptFigures, ticks: readonly TickFigures[]): string {
  const heading = [{ what: "", app: "app", bare: "bare calls", ratio: "app / bare", target: "target" }];
  return [heading, acceptLines(accept), ...ticks.map(tickLines)].map(table).join("\n");
}

function acceptLines({ messages, app, bare, requests }: AcceptFigures): Line[] {
  const both = (figure: (round: AcceptRound) => number) => [median(app.map(figure)), median(bare.map(figure))] as const;
  const latency = (share: number) => both(({ latenciesMs }) => percentile(latenciesMs, share));
  const cpu = (name: keyof NonNullable<AcceptRound["cpu"]>) => both((round) => round.cpu?.[name] ?? Number.NaN);
  return [
    compared(
      `accepted messages per second, of ${messages}`,
      both(({ perSecond }) => perSecond),
      0,
      ">= 200",
    ),
    compared("send to Job created, one at a time, p50 ms", latency(0.5), 1, "< 50"),
    compared("send to Job created, one at a time, p99 ms", latency(0.99), 1),
    requestLine("requests per message", requests),
    compared("processor ms per message, app's process", cpu("program"), 2),
    compared("processor ms per message, bus", cpu("bus"), 2),
    compared("processor ms per message, storage", cpu("storage"), 2),
    compared("processor ms per message, cluster", cpu("cluster"), 2),
    memoryLine(app, bare),
    ...othersLines(app),
  ];
}

function memoryLine(app: readonly AcceptRound[], bare: readonly AcceptRound[]): Line {
  return compared("peak memory of the process, MiB", [mostMemory(app), mostMemory(bare)], 0, "<= 200");
}

function mostMemory(rounds: readonly AcceptRound[]): number {
  return Math.max(...rounds.map(({ peakMib }) => peakMib ?? Number.NaN));
}

/**
 * Lists the deliveries that got no Job at once. The tick starts their Jobs later, so the figures above don't hold them.
 */
function othersLines(rounds: readonly AcceptRound[]): Line[] {
  const others = new Map<string, number>();
  for (const round of rounds) {
    for (const [outcome, count] of round.others) others.set(outcome, (others.get(outcome) ?? 0) + count);
  }
  return [...others].map(([outcome, count]) => ({ what: `deliveries that ended as "${outcome}"`, app: String(count) }));
}

function tickLines({ open, ms, requests, peakMib }: TickFigures): Line[] {
  const target = open === 10_000 ? "< 3000" : undefined;
  return [
    compared(`one reconcile of ${open} open runs, ms`, [median(ms.app), median(ms.bare)], 0, target),
    requestLine("its requests", requests),
    compared(
      "peak memory of the process, MiB",
      [peakMib.app ?? Number.NaN, peakMib.bare ?? Number.NaN],
      0,
      open === 10_000 ? "<= 200" : undefined,
    ),
  ];
}

function requestLine(what: string, { app, bare }: { app: RequestCounts; bare: RequestCounts }): Line {
  return { what, app: countsText(app), bare: countsText(bare) };
}

function countsText({ bus, table, cluster }: RequestCounts): string {
  return `${per(bus)} bus, ${per(table)} table, ${per(cluster)} cluster`;
}

/** Rounds to one digit, because a message costs a part of a request if its rows are written together with others. */
function per(count: number): string {
  return String(Math.round(count * 10) / 10);
}
