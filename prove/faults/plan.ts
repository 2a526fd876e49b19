import { ALL_EDGES, type Edge, factsOf, isFirstCall, type ServerName } from "./edges.ts";
import { makeRandom, type Random } from "./random.ts";

/** What is done to one call of a Dispatcher. */
export type Deed =
  /** The process dies before the call reaches its server, or after the server did it and before the answer arrives. */
  | { readonly do: "kill"; readonly when: "before" | "after" }
  /** The process sleeps so long that its locks lapse, and then goes on as if nothing had happened. */
  | { readonly do: "freeze"; readonly when: "before" | "after"; readonly ms: number }
  /** The call worked, and the answer never comes: the connection breaks, or stays silent. */
  | { readonly do: "lose the reply"; readonly how: "cut" | "silence" }
  /** The call reaches its server long after its sender gave it up. */
  | { readonly do: "delay"; readonly ms: number }
  /** The server doesn't do it, and says so. */
  | { readonly do: "refuse"; readonly status: number }
  /** The server doesn't do it, and says nothing: the connection breaks, or stays silent. */
  | { readonly do: "cut" }
  | { readonly do: "ignore" };

/** One systematic fault: it falls on the first call of the edge after `gap` others were let through. */
export interface Fault {
  readonly edge: Edge;
  readonly deed: Deed;
  readonly gap: number;
}

/** A process killed or frozen at some moment, whatever it does just then: once `sent` messages are on their way. */
export interface Blow {
  readonly sent: number;
  /** Names a process: modulo the number of those that are up. */
  readonly victim: number;
  readonly deed: { readonly do: "kill" } | { readonly do: "freeze"; readonly ms: number };
}

/** A server that is away for a while, for every process: it refuses connections, or hangs. */
export interface Outage {
  readonly sent: number;
  readonly server: ServerName;
  readonly how: "refuses" | "hangs";
  readonly ms: number;
}

/** All that is done to the Dispatchers, and when. A pure function of its seed. */
export interface Plan {
  readonly faults: readonly Fault[];
  readonly blows: readonly Blow[];
  readonly outages: readonly Outage[];
}

export interface PlanOptions {
  readonly seed: number;
  readonly messages: number;
  /** Random kills and freezes, together. */
  readonly kills: number;
  /** How long a lock lasts: a freeze is longer. */
  readonly lockMs: number;
  /** The edges that the systematic faults are planned for; all by default. */
  readonly edges?: readonly Edge[];
}

const MANY = 1_000;

/** Longer than any time-out of the app's. */
const DELAY_MS = 18_000;

export function makePlan(options: PlanOptions): Plan {
  const random = makeRandom(options.seed);
  const edges = options.edges ?? ALL_EDGES;
  return {
    faults: edges.flatMap((edge) => faultsOn(edge, options, random)),
    blows: blows(options, random),
    outages: options.edges === undefined ? outages(options.messages, random) : [],
  };
}

/** Each edge's faults in an order of their own; those that a run is worthless without come first. */
function faultsOn(edge: Edge, { lockMs, messages }: PlanOptions, random: Random): Fault[] {
  const freezeMs = () => freeze(lockMs, random);
  const demanded: Deed[] = [
    { do: "kill", when: "before" },
    { do: "kill", when: "after" },
    { do: "freeze", when: "before", ms: freezeMs() },
    { do: "freeze", when: "after", ms: freezeMs() },
    { do: "lose the reply", how: random.pick(["cut", "cut", "silence"]) },
  ];
  // A delivery asks nothing, so that nothing can be refused: it arrives, or is lost on the way.
  const others = edge === "receive a message" ? [] : otherDeeds(edge);
  // Of calls that are few, none may be wasted.
  const mostGap = isFirstCall(edge) ? 1 : messages < MANY ? 2 : 4;
  return [...random.shuffled(demanded), ...random.shuffled(others)].map((deed) => ({
    edge,
    deed,
    gap: random.below(mostGap),
  }));
}

function otherDeeds(edge: Edge): Deed[] {
  const { server, writes, conflict } = factsOf(edge);
  // The bus says by 503, `server-busy`, what others say by 429.
  const statuses = server === "bus" ? [500, 503] : [429, 500, 503];
  return [
    ...[...statuses, ...(conflict === undefined ? [] : [conflict])].map((status): Deed => ({ do: "refuse", status })),
    ...(writes === true ? [{ do: "delay", ms: DELAY_MS } as const] : []),
    { do: "cut" },
    { do: "ignore" },
  ];
}

/** A little longer than the lock; now and then so much that everything about the run is over by then. */
function freeze(lockMs: number, random: Random): number {
  return Math.round(random.next() < 0.1 ? lockMs * 4 : lockMs * random.between(1.05, 1.3));
}

function blows({ kills, messages, lockMs }: PlanOptions, random: Random): Blow[] {
  const moments = Array.from({ length: kills }, () => random.below(messages)).toSorted((a, b) => a - b);
  return moments.map((sent) => ({
    sent,
    victim: random.below(1000),
    deed: random.next() < 0.7 ? { do: "kill" } : { do: "freeze", ms: freeze(lockMs, random) },
  }));
}

const SERVERS = ["bus", "storage", "cluster"] as const;

/** Each server is away twice: it refuses once, and hangs once. The bus, which holds connections, is restarted. */
function outages(messages: number, random: Random): Outage[] {
  return SERVERS.flatMap((server) =>
    (["refuses", "hangs"] as const).map((how) => ({
      sent: Math.floor(messages * random.between(0.1, 0.9)),
      server,
      how,
      ms: Math.round(random.between(1_500, 4_000)),
    })),
  ).toSorted((a, b) => a.sent - b.sent);
}
