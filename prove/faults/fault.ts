import { type Edge, factsOf } from "./edges.ts";

/** One thing that is done to a replica at one of its calls, or to the call. */
export type Fault =
  /**
   * Kills the process before the call reaches its server, or when the server is done and its answer has not arrived.
   */
  | { readonly kind: "kill"; readonly when: "before" | "after" }
  /** Freezes the process until its locks have lapsed. Then it goes on, and does not know that time has passed. */
  | { readonly kind: "freeze"; readonly when: "before" | "after"; readonly ms: number }
  /** Loses the answer of a call that worked: the connection breaks, or stays silent. */
  | { readonly kind: "lose the reply"; readonly how: "cut" | "silence" }
  /** Delivers the call to its server long after the replica gave it up. The server may refuse it then. */
  | { readonly kind: "delay"; readonly ms: number }
  /** Answers with an error although the server has carried the call out. */
  | { readonly kind: "deny"; readonly status: number }
  /** Answers with an error in the server's place. The server never sees the call. */
  | { readonly kind: "refuse"; readonly status: number }
  /** Closes the link of the call, and keeps its connection. The bus sees no settlement that it breaks. */
  | { readonly kind: "detach" }
  /** Breaks the connection. The server never sees the call. */
  | { readonly kind: "cut" }
  /** Leaves the connection silent. The server never sees the call. */
  | { readonly kind: "ignore" };

/** A fault after which the replica is down or asleep. */
export type Takedown = Extract<Fault, { readonly when: unknown }>;

/** Tells whether the replica is down or asleep after this fault. */
export function takesDown(fault: Fault): fault is Takedown {
  return fault.kind === "kill" || fault.kind === "freeze";
}

/** Names a fault as it is counted and printed: `kill before`, `lose the reply`, `refuse 503`. */
export function faultName(fault: Fault): string {
  switch (fault.kind) {
    case "kill":
    case "freeze":
      return `${fault.kind} ${fault.when}`;
    case "refuse":
    case "deny":
      return `${fault.kind} ${fault.status}`;
    case "lose the reply":
    case "delay":
    case "detach":
    case "cut":
    case "ignore":
      return fault.kind;
    default:
      return fault satisfies never;
  }
}

/** The faults that have to happen on each demanded edge: a proof without one of them proves too little. */
const DEMANDED_FAULTS = ["kill before", "kill after", "freeze before", "freeze after", "lose the reply"] as const;

/** What the host's Settlement service answers if its client threw, and if it is not there. */
export const HOST_STATUSES = { unknown: 2, notFound: 9, unimplemented: 12 } as const;

/**
 * Lists the faults that have to happen on an edge if it is demanded. A settlement on a link also has to be refused, and
 * its link to be closed between delivery and settlement. A settlement by the host also has to fail with the status that
 * leaves doubt, before the deed and after it, and its service to be missing from then on.
 */
export function demandedFaults(edge: Edge): readonly string[] {
  const { server, settles, conflict } = factsOf(edge);
  const { unknown, unimplemented } = HOST_STATUSES;
  if (server === "host")
    return [...DEMANDED_FAULTS, `refuse ${unknown}`, `deny ${unknown}`, `refuse ${unimplemented}`, "ignore"];
  return settles === true ? [...DEMANDED_FAULTS, `refuse ${conflict}`, "detach"] : DEMANDED_FAULTS;
}

/** How often each fault happened on each edge: `counts.get("insert a run")?.get("kill before")`. */
export type FaultCounts = ReadonlyMap<Edge, ReadonlyMap<string, number>>;

/** Lists the demanded faults that never happened, as `kill before: insert a run`. */
export function missingFaults(counts: FaultCounts, edges: readonly Edge[]): string[] {
  return edges.flatMap((edge) =>
    demandedFaults(edge)
      .filter((name) => !counts.get(edge)?.has(name))
      .map((name) => `${name}: ${edge}`),
  );
}
