import type { V1Job } from "@kubernetes/client-node";
import { expect } from "vitest";
import { isSettled, readJobIdentity } from "../../shared/jobs/job-identity.ts";
import { type ClosedRun, type Run, runId } from "../../shared/run/run.ts";
import { aModule } from "../support/a-module.ts";
import type { FakeMessage } from "../support/fake-entity.ts";
import { type GatedPorts, makeGatedPorts } from "../support/gated-ports.ts";
import { makeWorld, SOURCE } from "../support/world.ts";

const RETRY = {
  maxAttempts: 2,
  maxInterruptions: 1,
  backoff: { firstMs: 1_000, maxMs: 4_000 },
  permanentExitCodes: [64],
};

/** What the world outside did to a Job, and so how its attempt has to be charged. */
export type JobEnd = "success" | "failure" | "permanent" | "timed out" | "interruption" | "stuck";

/** A Job as the model remembers it: what a cluster forgets, a model doesn't. */
interface KnownJob {
  readonly message: number;
  readonly attempt: number;
  /** How often a create really made it. */
  created: number;
  end?: JobEnd;
}

/** What must be true, told from the events alone. */
export interface Model {
  readonly jobs: Map<string, KnownJob>;
  readonly closed: Map<string, ClosedRun>;
  readonly settled: Map<number, FakeMessage>;
  /** Messages of which a Job was labelled for cancelling, or refused by the server: more than one end is right for them. */
  readonly cancelled: Set<number>;
  readonly refused: Set<number>;
  /** Messages whose rows somebody deleted: what was charged before is known no more. */
  readonly rowLost: Set<number>;
  /** Messages of which somebody deleted a Job: only the row knows of its attempt then. */
  readonly vanished: Set<number>;
  /** Messages that the bus has denied, once and for a moment, and since when. */
  readonly denied: Map<number, number>;
  elapsedMs: number;
}

export interface Process {
  readonly gates: GatedPorts;
  readonly accept: ReturnType<typeof makeWorld>["accept"];
  readonly tick: () => Promise<void>;
  inFlight: number;
}

/** The core on fakes, two processes of it, each of whose calls waits at a gate. */
export interface Real {
  readonly world: ReturnType<typeof makeWorld>;
  readonly processes: Process[];
}

export function setUp(): { model: Model; real: Real } {
  const world = makeWorld([aModule({ retry: RETRY, maxActive: 2, when: { subject: "mine" } })]);
  const model: Model = {
    jobs: new Map(),
    closed: new Map(),
    settled: new Map(),
    cancelled: new Set(),
    refused: new Set(),
    rowLost: new Set(),
    vanished: new Set(),
    denied: new Map(),
    elapsedMs: 0,
  };
  watchCreates(world, model);
  return { model, real: { world, processes: [makeGatedProcess(world), makeGatedProcess(world)] } };
}

export function makeGatedProcess(world: Real["world"]): Process {
  const gates = makeGatedPorts(world.deps);
  const { accept, tick } = world.makeProcess(gates.ports);
  return { gates, accept, tick, inFlight: 0 };
}

/** Every create is judged the moment that it is made. */
function watchCreates(world: Real["world"], model: Model): void {
  const create = world.cluster.create.bind(world.cluster);
  world.cluster.create = async (job) => {
    const outcome = await create(job);
    const { key, attempt } = identityOf(job);
    if (outcome.kind === "refused") model.refused.add(key.sequenceNumber);
    if (outcome.kind !== "created") return outcome;
    const name = job.metadata?.name ?? "";
    const known = model.jobs.get(name) ?? { message: key.sequenceNumber, attempt, created: 0 };
    model.jobs.set(name, known);
    known.created += 1;
    expect(known.created, `creates of ${name}`).toBe(1);
    expect(world.message(key.sequenceNumber).state, `${name} is created for a message`).not.toBe("active");
    for (const [other, { message, attempt: earlier }] of model.jobs)
      if (message === key.sequenceNumber && earlier < attempt)
        expect(isAtWork(world, other), `${other} is at work when ${name} is created`).toBe(false);
    return outcome;
  };
}

export function identityOf(job: V1Job) {
  const identity = readJobIdentity(job);
  if (!identity) throw new Error("a Job that doesn't say whose it is");
  return identity;
}

function isAtWork(world: Real["world"], name: string): boolean {
  return world.cluster.names().includes(name) && stateOf(world, name) === "active";
}

export function stateOf({ cluster }: Real["world"], name: string): "active" | "suspended" | "over" {
  const { status, spec } = cluster.job(name);
  const isOver = status?.conditions?.some(
    ({ type, status: holds }) => ["Complete", "Failed"].includes(type) && holds === "True",
  );
  if (isOver === true) return "over";
  return spec?.suspend === true ? "suspended" : "active";
}

/** What holds after every single step, whatever the order of events. */
export function checkAlways(model: Model, { world }: Real): void {
  const { open, closed } = world.table.rows();
  for (const run of open) checkBudgets(model, run);
  for (const run of closed) {
    checkBudgets(model, run);
    const before = model.closed.get(runId(run));
    if (before) expect(run, "a closed row").toEqual(before);
    model.closed.set(runId(run), structuredClone(run));
  }
  expect(closed.length, "closed rows").toBe(model.closed.size);
  const rows = new Map([...open, ...closed].map((run) => [run.sequenceNumber, run]));
  expect(rows.size, "rows of one message").toBe(open.length + closed.length);
  for (const message of world.broker.messages(SOURCE)) checkMessage(model, message, rows.get(message.sequenceNumber));
  const bugs = world.lines.filter(({ level, stack }) => level === "error" && stack !== undefined);
  expect(bugs, "errors with a stack").toEqual([]);
}

/** The row charges what happened, and no more than the module's budgets. */
function checkBudgets(model: Model, run: Run | ClosedRun): void {
  if (model.rowLost.has(run.sequenceNumber)) return;
  expect(run.failures, "failures").toBeLessThanOrEqual(RETRY.maxAttempts);
  expect(run.interruptions, "interruptions").toBeLessThanOrEqual(RETRY.maxInterruptions + 1);
  expect(run.attempt, "attempt").toBeLessThanOrEqual(run.failures + run.interruptions + 1);
  if (model.refused.has(run.sequenceNumber)) return;
  const ends = [...model.jobs.values()].filter(({ message }) => message === run.sequenceNumber).map(({ end }) => end);
  const interrupted = ends.filter((end) => end === "interruption").length;
  const failed = ends.filter((end) => end !== undefined && end !== "interruption" && end !== "success").length;
  expect(run.interruptions, "interruptions charged").toBeLessThanOrEqual(interrupted);
  expect(run.failures, "failures charged").toBeLessThanOrEqual(failed);
}

/** Settled once, and only by a verdict that the row had before. */
function checkMessage(model: Model, message: FakeMessage, row: Run | ClosedRun | undefined): void {
  const { sequenceNumber, state } = message;
  if (state === "active" || state === "deferred")
    expect(row && "closedAt" in row, `message ${sequenceNumber} is ${state} and its row closed`).toBeFalsy();
  const before = model.settled.get(sequenceNumber);
  if (before) return expect(message, "a settled message").toEqual(before);
  if (state === "active" || state === "deferred") return;
  model.settled.set(sequenceNumber, message);
  if (state === "completed") expect(row?.verdict).toEqual({ outcome: "succeeded" });
  if (state === "dead-lettered") expect(row?.verdict?.reason).toBe(message.letter?.reason);
}

/** What holds at the end, when nothing happens any more. */
export function checkEnd(model: Model, { world }: Real): void {
  expect(world.open(), "open rows").toEqual([]);
  // Of a message that is gone, and whose rows are too, nobody can tell what its Job was for: that is left to a person.
  const known = world.cluster.names().filter((name) => {
    const { sequenceNumber } = identityOf(world.cluster.job(name)).key;
    return !model.rowLost.has(sequenceNumber) || world.message(sequenceNumber).state !== "expired";
  });
  const unretired = known.filter((name) => !isSettled(world.cluster.job(name)));
  expect(unretired, "Jobs that were not retired").toEqual([]);
  expect(world.payloads.bodies.size, "bodies left behind").toBe(0);
  for (const message of world.broker.messages(SOURCE)) checkOutcome(model, world, message);
}

function checkOutcome(model: Model, world: Real["world"], message: FakeMessage): void {
  const { sequenceNumber, state } = message;
  const row = world.closed().find((run) => run.sequenceNumber === sequenceNumber);
  const outcome = message.letter?.reason ?? state;
  if (state === "expired" || model.rowLost.has(sequenceNumber)) return;
  if (model.cancelled.has(sequenceNumber) && outcome === "Cancelled") return;
  if (model.refused.has(sequenceNumber) && outcome === "JobNotStarted") return;
  const want = expectedOutcome(model, message);
  expect(outcome, `message ${sequenceNumber}`).toBe(want.outcome);
  expect(row, `message ${sequenceNumber}`).toMatchObject(want.row);
}

/** The ends of the attempts, one after the other, by the rules of the module: what the run has to come to. */
function expectedOutcome(model: Model, message: FakeMessage) {
  if (message.subject !== "mine") return { outcome: "DispatchRejected", row: { status: "rejected", attempt: 1 } };
  const jobs = [...model.jobs.values()]
    .filter((job) => job.message === message.sequenceNumber)
    .toSorted((a, b) => a.attempt - b.attempt);
  let failures = 0;
  let interruptions = 0;
  for (const [index, { attempt, end }] of jobs.entries()) {
    expect(attempt, "attempts are numbered without gaps").toBe(index + 1);
    if (end === "interruption") interruptions += 1;
    else if (end !== "success") failures += 1;
    const outcome = outcomeAfter(end, failures, interruptions);
    if (outcome === undefined) continue;
    expect(index, "no attempt after the last").toBe(jobs.length - 1);
    return { outcome, row: { attempt, failures, interruptions } };
  }
  return { outcome: "an end", row: {} };
}

function outcomeAfter(end: JobEnd | undefined, failures: number, interruptions: number): string | undefined {
  if (end === "success") return "completed";
  if (end === "interruption") return interruptions > RETRY.maxInterruptions ? "InterruptedTooOften" : undefined;
  if (end !== "permanent" && failures < RETRY.maxAttempts) return undefined;
  if (end === "timed out") return "JobTimedOut";
  return end === "stuck" ? "JobNotStarted" : "JobFailed";
}
