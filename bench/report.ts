import { availableParallelism, cpus, totalmem } from "node:os";
import type { AcceptRound } from "./measure-accept.ts";
import type { TickFigures } from "./measure-tick.ts";
import type { RequestCounts } from "./servers.ts";
import { percentile } from "./statistics.ts";
import { compared, type Line, NOTES, type Pairs, paired, table } from "./table.ts";

/** The figures about accepting messages. */
export interface AcceptFigures {
  readonly messages: number;
  readonly rounds: Pairs<AcceptRound>;
  readonly requests: { readonly app: RequestCounts; readonly bare: RequestCounts };
}

/** The processor ms per message of some replicas on one source, and of a single one, in each round. */
export interface ReplicaFigures {
  readonly replicas: number;
  readonly several: readonly number[];
  readonly one: readonly number[];
}

/** Describes the machine that the figures were measured on. */
export function machineText(): string {
  const [cpu] = cpus();
  const gib = Math.round(totalmem() / 1024 ** 3);
  return `${availableParallelism()} cores (${cpu?.model.trim() ?? "unknown"}), ${gib} GiB, ${process.platform} ${process.arch}, Node ${process.version}`;
}

const MOST_MIB = "<= 175 MiB";
/** The target of a time that waits for others, so that the line below it, of processor time, is judged instead. */
const JUDGED_BELOW = "(<= 1.2)";
const MOST_TIMES_BARE = "<= 1.2";

/** Writes the figures of all parts as one table for people. */
export function reportText(accept: AcceptFigures, replicas: ReplicaFigures, ticks: readonly TickFigures[]): string {
  const lines = [
    { what: "", app: "app", bare: "bare calls", ratio: "app / bare", target: "target" },
    ...acceptLines(accept),
    ...ticks.flatMap(tickLines),
    ...replicaLines(replicas),
  ];
  return `${table(lines)}\n\n${NOTES}`;
}

const latency = (share: number) => (round: AcceptRound) => percentile(round.latenciesMs, share);
const cpu = (name: keyof NonNullable<AcceptRound["cpu"]>) => (round: AcceptRound) => round.cpu?.[name] ?? Number.NaN;

function acceptLines({ messages, rounds, requests }: AcceptFigures): Line[] {
  return [
    paired(`accepted messages per second, of ${messages}`, rounds, ({ perSecond }) => perSecond, 0, ">= 1.3"),
    paired("processor ms per message, this process", rounds, cpu("program"), 2, "<= 1.0"),
    paired("processor ms per message, bus", rounds, cpu("bus"), 2),
    paired("processor ms per message, storage", rounds, cpu("storage"), 2),
    paired("processor ms per message, cluster", rounds, cpu("cluster"), 2),
    requestLine("requests per message", requests),
    paired("send to Job created, one at a time, p50 ms", rounds, latency(0.5), 1, JUDGED_BELOW),
    paired("processor ms of such a message", rounds, ({ cpuMsOfSingle }) => cpuMsOfSingle, 2, MOST_TIMES_BARE),
    paired("send to Job created, one at a time, p99 ms", rounds, latency(0.99), 1),
    memoryLine("peak memory of the process, accepting, MiB", rounds, MOST_MIB),
    ...othersLines(rounds.app),
  ];
}

function memoryLine<T extends { readonly peakMib: number | undefined }>(
  what: string,
  { app, bare }: Pairs<T>,
  target?: string,
): Line {
  const most = (rounds: readonly T[]) => Math.max(...rounds.map(({ peakMib }) => peakMib ?? Number.NaN));
  return compared(what, [most(app), most(bare)], 0, target);
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

function tickLines({ open, rounds, requests }: TickFigures): Line[] {
  const isJudged = open === 10_000;
  return [
    paired(`one tick of ${open} runs at work, ms`, rounds, ({ ms }) => ms, 0, isJudged ? JUDGED_BELOW : undefined),
    paired("its processor ms", rounds, ({ cpuMs }) => cpuMs, 0, isJudged ? MOST_TIMES_BARE : undefined),
    requestLine("its requests", requests),
    memoryLine(`peak memory of the process, ${open} at work, MiB`, rounds, isJudged ? MOST_MIB : undefined),
  ];
}

function replicaLines({ replicas, several, one }: ReplicaFigures): Line[] {
  const names = { app: `${replicas} replicas`, bare: "1 replica", ratio: `${replicas} / 1`, target: "target" };
  const rounds = { app: several, bare: one };
  return [
    { what: "", app: "" },
    { what: "on one source, as many messages a second for each replica", ...names },
    paired("messages per processor second of all", rounds, (cpuMs) => 1000 / cpuMs, 0, ">= 0.9"),
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
