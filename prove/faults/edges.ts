/**
 * Every call that a Dispatcher makes outside of itself, named after what the app does with it.
 *
 * `conflict` is what the server says to a write that somebody else was faster with; such an answer is injected only where the real service
 * gives it. `first` calls are made by a process that has just started, and never again, or not for a minute.
 *
 * `rare` edges are met too seldom, or only before a process counts as up: what happens on them is counted, not demanded. Each says where the
 * app's way around its failure is tested instead; docs/reliability.md lists them.
 */
const EDGES = {
  "receive a message": { server: "bus" },
  "peek at a message": { server: "bus" },
  "browse the messages": { server: "bus" },
  "defer a message": { server: "bus", writes: true, conflict: 410 },
  "receive a deferred message": { server: "bus", writes: true, conflict: 404 },
  "complete a message": { server: "bus", writes: true, conflict: 410 },
  "abandon a message": { server: "bus", writes: true, conflict: 410 },
  "dead-letter a message": { server: "bus", writes: true, conflict: 410 },
  "reject a message": { server: "bus", writes: true, conflict: 410 },
  "verify a source": { server: "bus" },
  // The host's, not the app's: of a message that is not deferred for half the time of its lock.
  "renew a lock": { server: "bus", rare: true },

  "make the table": { server: "storage", writes: true, first: true },
  "register a source": { server: "storage", writes: true, first: true },
  "list the sources": { server: "storage" },
  "read the owner": { server: "storage", first: true },
  // Once in a table's life.
  "make the owner": { server: "storage", writes: true, rare: true },
  "list the modules' states": { server: "storage" },
  // Where a Job can't start for what may be its template's fault: a storm's subject.
  "note a module's state": { server: "storage", writes: true, conflict: 412, rare: true },
  "insert a run": { server: "storage", writes: true, conflict: 409 },
  "find a run": { server: "storage" },
  "read an open run": { server: "storage" },
  "list the open runs": { server: "storage" },
  "update a run to waiting": { server: "storage", writes: true, conflict: 412 },
  "update a run to dispatched": { server: "storage", writes: true, conflict: 412 },
  "update a run to requeueing": { server: "storage", writes: true, conflict: 412 },
  "update a run to settling": { server: "storage", writes: true, conflict: 412 },
  // Of a message that was missed, and is there.
  "update a run to accepted": { server: "storage", writes: true, conflict: 412, rare: true },
  "close a run": { server: "storage", writes: true, conflict: 412 },
  // Of a message that was given up as lost, and turned up.
  "reopen a run": { server: "storage", writes: true, conflict: 412, rare: true },
  "look for history": { server: "storage", first: true },
  // After thirty days.
  "purge history": { server: "storage", writes: true, conflict: 412, rare: true },
  "read the sweep's cursor": { server: "storage" },
  "save the sweep's cursor": { server: "storage", writes: true },
  "record the tick": { server: "storage", writes: true },
  "read the tick": { server: "storage" },

  "make a container": { server: "storage", writes: true, first: true },
  "look at a container": { server: "storage" },
  "store a body": { server: "storage", writes: true },
  "delete a body": { server: "storage", writes: true },
  "list the bodies": { server: "storage", first: true },
  "store a log": { server: "storage", writes: true },

  "create a job": { server: "cluster", writes: true, conflict: 409 },
  "retire a job": { server: "cluster", writes: true, conflict: 409 },
  "end a job": { server: "cluster", writes: true, conflict: 409 },
  "read a job": { server: "cluster" },
  "read a job's pods": { server: "cluster" },
  // Of a Job alone that is still without a pod when its start is overdue: hardly ever here.
  "read a job's events": { server: "cluster", rare: true },
  "read a log": { server: "cluster" },
  "list the jobs": { server: "cluster" },
  "list the pods": { server: "cluster" },
  "list the cancelled jobs": { server: "cluster" },
  "look at the jobs": { server: "cluster" },
  "look at the namespace": { server: "cluster" },
  // The preflight's, which every start makes before it counts as up, and which only logs what it finds.
  "try a job": { server: "cluster", rare: true },
  "ask for a right": { server: "cluster", rare: true },
  "count the jobs": { server: "cluster", rare: true },
} as const satisfies Readonly<Record<string, EdgeFacts>>;

interface EdgeFacts {
  readonly server: ServerName;
  /** Carried out late or twice, it could do harm. */
  readonly writes?: true;
  readonly conflict?: number;
  readonly first?: true;
  readonly rare?: true;
}

export type ServerName = "bus" | "storage" | "cluster";
export type Edge = keyof typeof EDGES;

/** What is known of an edge. */
export function factsOf(edge: Edge): EdgeFacts {
  return EDGES[edge];
}

/** Whether only a process that has just started makes the call. */
export function isFirstCall(edge: Edge): boolean {
  return factsOf(edge).first === true;
}

function isEdge(name: string): name is Edge {
  return Object.hasOwn(EDGES, name);
}

/** The edge of a call that is known, as a list. */
export function known(edge: Edge | undefined): readonly Edge[] {
  return edge === undefined ? [] : [edge];
}

export const ALL_EDGES: readonly Edge[] = Object.keys(EDGES).filter(isEdge);

/** The edges on which each systematic fault has to have happened. */
export const DEMANDED_EDGES: readonly Edge[] = ALL_EDGES.filter((edge) => factsOf(edge).rare !== true);
