/**
 * Lists every call that a replica makes to a server, named after what the app does by it. The facts of each call mean:
 *
 * - `conflict`: the status with which the server answers a write that came too late. It is injected only if the real
 *   service gives it.
 * - `settles`: the app settles a delivery on the link that brought it, and the bus can close that link.
 * - `first`: only a process that has just started makes the call, at its start or in its first tick, and not again for a
 *   minute at least.
 * - `rare`: the call is made too seldom, or only before a process counts as up. Faults on it are counted, but not
 *   demanded. docs/proof.md lists these calls, and the tests that cover their failures instead.
 */

/**
 * Whether the app settles what a trigger is given on the link that brought it, or else over the entity's management.
 * The faults of the way that it takes are demanded. Those of the other way happen if a replica takes it.
 */
const SETTLES_ON_LINK: boolean = true;
const ON_LINK = { rare: !SETTLES_ON_LINK };
const OVER_MANAGEMENT = { rare: SETTLES_ON_LINK };

const EDGES = {
  "receive a message": { server: "bus" },
  "peek at a message": { server: "bus" },
  "browse the messages": { server: "bus" },
  "defer a message": { server: "bus", writes: true, conflict: 410, ...OVER_MANAGEMENT },
  "defer a delivery": { server: "bus", writes: true, conflict: 410, settles: true, ...ON_LINK },
  "receive a deferred message": { server: "bus", writes: true, conflict: 404 },
  "complete a message": { server: "bus", writes: true, conflict: 410 },
  "abandon a message": { server: "bus", writes: true, conflict: 410 },
  "dead-letter a message": { server: "bus", writes: true, conflict: 410 },
  "receive a letter": { server: "bus" },
  "defer a letter": { server: "bus", writes: true, conflict: 410 },
  // A redriven letter that fails again is stamped, and one that is not wanted is given back.
  "abandon a letter": { server: "bus", writes: true, conflict: 410 },
  "complete a letter": { server: "bus", writes: true, conflict: 410 },
  "reject a message": { server: "bus", writes: true, conflict: 410, ...OVER_MANAGEMENT },
  "dead-letter a delivery": { server: "bus", writes: true, conflict: 410, settles: true, ...ON_LINK },
  // It is made if a message whose work succeeded is delivered, because its deferral was not seen.
  "complete a delivery": { server: "bus", writes: true, conflict: 410, settles: true, rare: true },
  // The app of a replica makes these calls to its own host, whose Settlement service then settles on the link.
  "have the host defer": { server: "host", writes: true, ...ON_LINK },
  "have the host dead-letter": { server: "host", writes: true, ...ON_LINK },
  // It is made in the same case as `complete a delivery`.
  "have the host complete": { server: "host", writes: true, rare: true },
  // It is made before a process counts as up.
  "look for the host's settlements": { server: "host", rare: true },
  "verify a source": { server: "bus" },
  // The host makes it, if a message is not deferred within 2.5 s.
  "renew a lock": { server: "bus", rare: true },

  "make the table": { server: "storage", writes: true, first: "start" },
  "register a source": { server: "storage", writes: true, first: "start" },
  "list the sources": { server: "storage" },
  "read the owner": { server: "storage", first: "start" },
  // It is made once in a table's life.
  "make the owner": { server: "storage", writes: true, rare: true },
  "list the modules' states": { server: "storage" },
  // It is made if a Job can't start and its template may be the cause. A storm covers this.
  "note a module's state": { server: "storage", writes: true, conflict: 412, rare: true },
  // It is made before a Job is started, unless that was done in the last 10 s, and in each tick.
  "list the limits": { server: "storage" },
  // A replica makes it once a person's limit has ended, which the proof sets none of.
  "remove a limit": { server: "storage", writes: true, conflict: 412, rare: true },
  "list the redrives": { server: "storage" },
  "note how far a redrive is": { server: "storage", writes: true, conflict: 412 },
  // It is made once a day for a letter whose row somebody deleted, which the proof does not.
  "note a letter again": { server: "storage", writes: true, conflict: 412, rare: true },
  "claim a letter": { server: "storage", writes: true, conflict: 409 },
  "read the cluster's record": { server: "storage" },
  // It is made once in a table's life.
  "record the cluster": { server: "storage", writes: true, conflict: 412, rare: true },
  "list the held sources": { server: "storage" },
  // It is made if an entity, or most messages of one, are missing.
  "hold a source": { server: "storage", writes: true, conflict: 412, rare: true },
  "list the gates' states": { server: "storage" },
  // It is made until a first message is accepted, which is soon, and once then.
  "note a gate's state": { server: "storage", writes: true, conflict: 412, rare: true },
  "insert a run": { server: "storage", writes: true, conflict: 409 },
  "find a run": { server: "storage" },
  "read an open run": { server: "storage" },
  "list the runs at work": { server: "storage" },
  "list what comes due": { server: "storage" },
  "look at the lines": { server: "storage" },
  "look at what is held": { server: "storage" },
  "compare messages with their runs": { server: "storage" },
  // It is made every ten minutes for each source, and finds something only after an upgrade.
  "list the rows of before": { server: "storage", first: "tick" },
  "update a run to waiting": { server: "storage", writes: true, conflict: 412 },
  "update a run to dispatched": { server: "storage", writes: true, conflict: 412 },
  "update a run to requeueing": { server: "storage", writes: true, conflict: 412 },
  "update a run to settling": { server: "storage", writes: true, conflict: 412 },
  "update a run to accepted": { server: "storage", writes: true, conflict: 412 },
  // It is made if a message stays held for another reason than before, or its absence is doubted.
  "update a run to held": { server: "storage", writes: true, conflict: 412, rare: true },
  "close a run": { server: "storage", writes: true, conflict: 412 },
  // It is made if a message was given up as lost, and turned up again.
  "reopen a run": { server: "storage", writes: true, conflict: 412, rare: true },
  "look for history": { server: "storage", first: "tick" },
  "look for old actions": { server: "storage", first: "tick" },
  // It is made thirty days after a person did something.
  "purge actions": { server: "storage", writes: true, conflict: 412, rare: true },
  // It is made thirty days later.
  "purge history": { server: "storage", writes: true, conflict: 412, rare: true },
  "read the sweep's cursor": { server: "storage" },
  "save the sweep's cursor": { server: "storage", writes: true },
  "record the tick": { server: "storage", writes: true },
  "read the tick": { server: "storage" },
  "read who ticks": { server: "storage" },
  "note who ticks": { server: "storage", writes: true, conflict: 412 },
  // A process makes it once, and again after another replica has counted. A failure costs a count for people.
  "read the recent ends": { server: "storage", rare: true },
  "note the recent ends": { server: "storage", writes: true, conflict: 412, rare: true },

  "make a container": { server: "storage", writes: true, first: "start" },
  "look at a container": { server: "storage" },
  "store a body": { server: "storage", writes: true },
  "delete a body": { server: "storage", writes: true },
  "list the bodies": { server: "storage", first: "tick" },
  "store a log": { server: "storage", writes: true },

  "create a job": { server: "cluster", writes: true, conflict: 409 },
  "retire a job": { server: "cluster", writes: true, conflict: 409 },
  "end a job": { server: "cluster", writes: true, conflict: 409 },
  "read a job": { server: "cluster" },
  "read a job's pods": { server: "cluster" },
  // It is made if a Job is late to start, and neither Job nor pod says why, which hardly ever happens here.
  "read events": { server: "cluster", rare: true },
  "read a log": { server: "cluster" },
  "list the jobs": { server: "cluster" },
  "watch the jobs": { server: "cluster" },
  "watch the pods": { server: "cluster" },
  "glance at a job": { server: "cluster" },
  "list the pods": { server: "cluster" },
  "list the cancelled jobs": { server: "cluster" },
  "look at the jobs": { server: "cluster" },
  "look at the namespace": { server: "cluster" },
  // The preflight makes these five before a process counts as up, and only logs what it finds.
  "try a job": { server: "cluster", rare: true },
  "ask for a right": { server: "cluster", rare: true },
  "count the jobs": { server: "cluster", rare: true },
  "ask for the version": { server: "cluster", rare: true },
  "ask about KEDA": { server: "cluster", rare: true },
} as const satisfies Readonly<Record<string, EdgeFacts>>;

interface EdgeFacts {
  readonly server: ServerName | "host";
  /** The call changes something: it could do harm if it were carried out late or twice. */
  readonly writes?: true;
  readonly conflict?: number;
  readonly settles?: true;
  readonly first?: "start" | "tick";
  readonly rare?: boolean;
}

export type ServerName = "bus" | "storage" | "cluster";
export type Edge = keyof typeof EDGES;

/** Tells what is known of an edge. */
export function factsOf(edge: Edge): EdgeFacts {
  return EDGES[edge];
}

/** Tells whether the call's answer comes bit by bit, for as long as it lasts. */
export function isWatch(edge: Edge): boolean {
  return edge === "watch the jobs" || edge === "watch the pods";
}

/** Tells whether the bus makes the call, to which the replica answers nothing. */
export function isDelivery(edge: Edge): boolean {
  return edge === "receive a message" || edge === "receive a letter";
}

/** Tells whether the call settles a message by its lock, so that the bus refuses it once the lock has lapsed. */
export function isBoundToLock(edge: Edge): boolean {
  const { server, conflict } = factsOf(edge);
  return server === "host" || (server === "bus" && conflict === 410);
}

/** Tells whether only a process that has just started makes the call. */
export function isFirstCall(edge: Edge): boolean {
  return factsOf(edge).first !== undefined;
}

function isEdge(name: string): name is Edge {
  return Object.hasOwn(EDGES, name);
}

/** Makes a list of an edge; empty if the call has none. */
export function known(edge: Edge | undefined): readonly Edge[] {
  return edge === undefined ? [] : [edge];
}

export const ALL_EDGES: readonly Edge[] = Object.keys(EDGES).filter(isEdge);

/** The edges on which every demanded fault has to happen. */
export const DEMANDED_EDGES: readonly Edge[] = ALL_EDGES.filter((edge) => factsOf(edge).rare !== true);
