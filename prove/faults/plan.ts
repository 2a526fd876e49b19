import {
  ALL_EDGES,
  DEMANDED_EDGES,
  type Edge,
  factsOf,
  isBoundToLock,
  isDelivery,
  isFirstCall,
  type ServerName,
} from "./edges.ts";
import { demandedFaults, type Fault, faultName, HOST_STATUSES } from "./fault.ts";
import { makeRandom, type Random } from "./random.ts";

/** A fault that waits for a call: it happens on the first call of the edge after `gap` others were let through. */
export interface CallFault {
  readonly edge: Edge;
  readonly fault: Fault;
  readonly gap: number;
}

/** A kill or a freeze once `sent` messages have been sent, whatever the replica does at that moment. */
export interface RandomFault {
  readonly sent: number;
  /** Chooses the replica: this number modulo how many replicas are up. */
  readonly replica: number;
  readonly fault: { readonly kind: "kill" } | { readonly kind: "freeze"; readonly ms: number };
}

/** A time in which no replica can use a server: the server refuses connections, or hangs. */
export interface Outage {
  readonly sent: number;
  readonly server: ServerName;
  readonly how: "refuses" | "hangs";
  readonly ms: number;
}

/** Everything that is done to the replicas, and when. It follows from the seed alone. */
export interface Plan {
  readonly callFaults: readonly CallFault[];
  /** The edges on which every demanded fault has to happen. */
  readonly demanded: readonly Edge[];
  /** Faults that wait until the demanded ones have happened. */
  readonly laterFaults: readonly CallFault[];
  readonly randomFaults: readonly RandomFault[];
  readonly outages: readonly Outage[];
}

/** The plan of a run in which nothing is done to the replicas. */
export const NO_FAULTS: Plan = { callFaults: [], demanded: [], laterFaults: [], randomFaults: [], outages: [] };

export interface PlanOptions {
  readonly seed: number;
  readonly messages: number;
  /** How many random kills and freezes there are, together. */
  readonly kills: number;
  /** How long a lock lasts. A freeze takes longer. */
  readonly lockMs: number;
  /** Demands faults on this many edges alone, which the seed chooses. By default they are demanded on all. */
  readonly demandedEdges?: number;
}

/** A run of so many messages has calls enough for larger gaps, and time enough for longer outages. */
const MANY_MESSAGES = 1_000;

/** Longer than any time-out of the app, and than a lock. */
const DELAY_MS = 18_000;

/** Makes the plan that follows from the options. */
export function makePlan(options: PlanOptions): Plan {
  const random = makeRandom(options.seed);
  const callFaults = ALL_EDGES.flatMap((edge) => faultsOn(edge, options, random));
  const demanded = chooseEdges(options);
  const isLater = ({ edge }: CallFault) => options.demandedEdges !== undefined && !demanded.includes(edge);
  return {
    callFaults: callFaults.filter((fault) => !isLater(fault)),
    demanded,
    laterFaults: callFaults.filter(isLater),
    randomFaults: randomFaults(options, random),
    outages: outages(options.messages, random),
  };
}

function chooseEdges({ seed, demandedEdges }: PlanOptions): readonly Edge[] {
  if (demandedEdges === undefined) return DEMANDED_EDGES;
  return makeRandom(seed ^ 0xed6e)
    .shuffled(DEMANDED_EDGES)
    .slice(0, demandedEdges);
}

/** Plans the faults of one edge in random order, the demanded ones first. */
function faultsOn(edge: Edge, { lockMs, messages }: PlanOptions, random: Random): CallFault[] {
  const ms = () => freezeMs(lockMs, random);
  const demanded: Fault[] = [
    { kind: "kill", when: "before" },
    { kind: "kill", when: "after" },
    { kind: "freeze", when: "before", ms: ms() },
    { kind: "freeze", when: "after", ms: ms() },
    { kind: "lose the reply", how: random.pick(["cut", "cut", "silence"]) },
  ];
  // The replica asks for nothing by a delivery, so nothing can be refused: a delivery arrives, or is lost on its way,
  // or it is the last on its link.
  const others: Fault[] = isDelivery(edge) ? [{ kind: "detach" }] : otherFaults(edge);
  const isDemanded = (fault: Fault) => demandedFaults(edge).includes(faultName(fault));
  // A call that is made rarely must not be let through without a fault.
  const mostGap = isFirstCall(edge) ? 1 : messages < MANY_MESSAGES ? 2 : 4;
  return [
    ...random.shuffled([...demanded, ...others.filter(isDemanded)]),
    ...random.shuffled(others.filter((fault) => !isDemanded(fault))),
  ].map((fault) => ({
    edge,
    fault,
    gap: random.below(mostGap),
  }));
}

const STATUSES = {
  // The bus answers 503, `server-busy`, when other servers answer 429.
  bus: [500, 503],
  storage: [429, 500, 503],
  cluster: [429, 500, 503],
  host: Object.values(HOST_STATUSES),
} as const;

function otherFaults(edge: Edge): Fault[] {
  const { server, writes, conflict, settles } = factsOf(edge);
  const statuses = STATUSES[server];
  return [
    ...[...statuses, ...(conflict === undefined ? [] : [conflict])].map(
      (status): Fault => ({ kind: "refuse", status }),
    ),
    ...(writes === true && !isBoundToLock(edge) ? [{ kind: "delay", ms: DELAY_MS } as const] : []),
    ...(settles === true ? [{ kind: "detach" } as const] : []),
    ...(server === "host" ? [{ kind: "deny", status: HOST_STATUSES.unknown } as const] : []),
    { kind: "cut" },
    { kind: "ignore" },
  ];
}

/** Takes a little longer than the lock. One freeze in ten lasts so long that the run is over when the replica wakes. */
function freezeMs(lockMs: number, random: Random): number {
  return Math.round(random.next() < 0.1 ? lockMs * 4 : lockMs * random.between(1.05, 1.3));
}

function randomFaults({ kills, messages, lockMs }: PlanOptions, random: Random): RandomFault[] {
  const moments = Array.from({ length: kills }, () => random.below(messages)).toSorted((a, b) => a - b);
  return moments.map((sent) => ({
    sent,
    replica: random.below(1000),
    fault: random.next() < 0.7 ? { kind: "kill" } : { kind: "freeze", ms: freezeMs(lockMs, random) },
  }));
}

const SERVERS = ["bus", "storage", "cluster"] as const;

/** How long a server is away, in ms. */
const AWAY_MS = [1_500, 4_000] as const;
/** How long a server hangs if there are messages enough: longer than any time-out of the app. */
const HANGING_MS = [16_000, 20_000] as const;

/**
 * Plans two outages of each server: in one it refuses connections, in the other it hangs. The bus that refuses is
 * restarted.
 */
function outages(messages: number, random: Random): Outage[] {
  return SERVERS.flatMap((server) =>
    (["refuses", "hangs"] as const).map((how) => {
      const sent = Math.floor(messages * random.between(0.1, 0.9));
      const [from, to] = how === "hangs" && messages >= MANY_MESSAGES ? HANGING_MS : AWAY_MS;
      return { sent, server, how, ms: Math.round(random.between(from, to)) };
    }),
  ).toSorted((a, b) => a.sent - b.sent);
}
