import type { V1Job } from "@kubernetes/client-node";
import { expect } from "vitest";
import { isRetired, readJobIdentity } from "../../shared/jobs/job-identity.ts";
import { filesOf } from "../../shared/judge/files-of.ts";
import { type ClosedRun, type Run, runId } from "../../shared/run/run.ts";
import { aModule } from "../support/a-module.ts";
import type { FakeMessage } from "../support/fake-entity.ts";
import { type GatedPorts, makeGatedPorts } from "../support/gated-ports.ts";
import { onMachine } from "../support/service-time.ts";
import { type MachineClock, makeMachineClock } from "../support/test-clock.ts";
import { makeWorld, SOURCE } from "../support/world.ts";
import { type AttemptEnd, attemptsOf, expectedOutcomes, freeAttempts, RETRY } from "./expected-outcomes.ts";

/** What was done to a Job from outside. It says how the Dispatcher has to charge the attempt. */
export type JobEnd = "success" | "failure" | "permanent" | "timed out" | "interruption" | "stuck" | "unstarted";

/** A Job as the model remembers it, even after the cluster has deleted it. */
interface KnownJob {
  readonly message: number;
  readonly attempt: number;
  /** How many creates really made it. */
  created: number;
  end?: JobEnd;
  /** Whether it could not start at some time, whatever became of it afterwards. */
  stuck?: boolean;
  /** Whether a container of it may have started. */
  ran?: boolean;
  /** Whether its row said, when the cluster took it away, that it had not started, or a replica may have noted so yet. */
  held?: boolean;
}

/** What must be true, as the events alone tell it. */
export interface Model {
  readonly jobs: Map<string, KnownJob>;
  readonly closed: Map<string, ClosedRun>;
  readonly settled: Map<number, FakeMessage>;
  /** The messages with a Job that was labelled for cancelling. More than one end is right for them. */
  readonly cancelled: Set<number>;
  /** The attempts, by message, whose Job the API server refused. */
  readonly refused: Map<number, Set<number>>;
  /** Whether a call of a replica failed or never came back. The purge then deletes what that replica left behind. */
  cut: boolean;
  /** The messages whose rows were deleted, and with them what their attempts had been charged. */
  readonly rowLost: Set<number>;
  /** The messages with a deleted Job. Only the row knows of that attempt. */
  readonly vanished: Set<number>;
  /** When the bus began to deny a message, which it does once and for a moment. */
  readonly denied: Map<number, number>;
  elapsedMs: number;
}

export interface Replica {
  /** The clocks of its machine, which stay if another process takes the replica's place. */
  readonly machine: MachineClock;
  readonly gates: GatedPorts;
  readonly accept: ReturnType<typeof makeWorld>["accept"];
  readonly tick: () => Promise<void>;
  inFlight: number;
}

/** The core on fakes, with two replicas whose every call waits at a gate. */
export interface Real {
  readonly world: ReturnType<typeof makeWorld>;
  readonly replicas: Replica[];
}

export async function setUp(): Promise<{ model: Model; real: Real }> {
  const world = makeWorld(
    [aModule({ retry: RETRY, maxActive: 2, startTimeoutMs: 60_000, when: { subject: "mine" } })],
    {},
    "with a link",
  );
  await countNineRejections(world);
  const model: Model = {
    jobs: new Map(),
    closed: new Map(),
    settled: new Map(),
    cancelled: new Set(),
    refused: new Map(),
    cut: false,
    rowLost: new Set(),
    vanished: new Set(),
    denied: new Map(),
    elapsedMs: 0,
  };
  watchCreates(world, model);
  const replicas = [0, 1].map(() => makeGatedReplica(world, makeMachineClock(world.clock)));
  return { model, real: { world, replicas } };
}

/** One more message that no module takes shuts the gate, and the next one is held. A case has too few for ten. */
async function countNineRejections(world: Real["world"]): Promise<void> {
  const scope = { source: SOURCE };
  await world.table.saveGateState(
    {
      scope,
      files: filesOf(scope, world.deps.modules.values()),
      status: "counting",
      rejected: Array.from({ length: 9 }, (_, index) => `earlier:${index}`),
      problem: "no module takes this message",
      since: world.clock.now(),
    },
    undefined,
  );
}

/** Makes a process on this machine. It hears the time from the table, as every replica does. */
export function makeGatedReplica(world: Real["world"], machine: MachineClock): Replica {
  const { tables, clock } = onMachine(machine, world.table, world.clock);
  const gates = makeGatedPorts({ ...world.deps, table: tables, instanceTable: tables });
  const { accept, tick } = world.makeReplica({ ...gates.ports, clock });
  return { machine, gates, accept, tick, inFlight: 0 };
}

/** Checks every create at the moment that it is made. */
function watchCreates(world: Real["world"], model: Model): void {
  const create = world.cluster.create.bind(world.cluster);
  world.cluster.create = async (job) => {
    const outcome = await create(job);
    const { key, attempt } = identityOf(job);
    if (outcome.kind === "refused")
      model.refused.set(key.sequenceNumber, new Set(model.refused.get(key.sequenceNumber)).add(attempt));
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
  if (!identity) throw new Error("a Job without an identity");
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

/** Checks what must be true after every single step, whatever the order of events. */
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

/** Checks that the row charges what happened, and no more than the module's budgets. */
function checkBudgets(model: Model, run: Run | ClosedRun): void {
  if (model.rowLost.has(run.sequenceNumber)) return;
  expect(run.failures, "failures").toBeLessThanOrEqual(RETRY.maxAttempts);
  expect(run.interruptions, "interruptions").toBeLessThanOrEqual(RETRY.maxInterruptions + 1);
  const attempts = attemptsOf(model, run.sequenceNumber);
  const unstarted = attempts.filter(({ ends }) => ends.includes("unstarted")).length;
  const free = freeAttempts(model, run.sequenceNumber).size + unstarted;
  expect(run.attempt, "attempt").toBeLessThanOrEqual(run.failures + run.interruptions + free + 1);
  const interrupted = attempts.filter(({ ends }) => ends.includes("interruption")).length;
  const failed = attempts.filter(({ ends }) => ends.some(isFailure)).length;
  expect(run.interruptions, "interruptions charged").toBeLessThanOrEqual(interrupted);
  expect(run.failures, "failures charged").toBeLessThanOrEqual(failed);
}

const isFailure = (end: AttemptEnd) =>
  end !== undefined && end !== "interruption" && end !== "success" && end !== "unstarted";

/** Checks that a message is settled once, and only by a verdict that the row had before. */
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

/** Checks what must be true at the end, after events have stopped. */
export async function checkEnd(model: Model, { world }: Real): Promise<void> {
  expect(world.open(), "open rows").toEqual([]);
  // If a message and its rows are gone, the Dispatcher can't know what the Job was for, and leaves it to a person.
  const known = world.cluster.names().filter((name) => {
    const { sequenceNumber } = identityOf(world.cluster.job(name)).key;
    return !model.rowLost.has(sequenceNumber) || world.message(sequenceNumber).state !== "expired";
  });
  const unretired = known.filter((name) => !isRetired(world.cluster.job(name)));
  expect(unretired, "Jobs that were not retired").toEqual([]);
  for (const message of world.broker.messages(SOURCE)) checkOutcome(model, world, message);
  if (model.cut) await purgeHistory(world);
  expect(world.payloads.bodies.size, "bodies left behind").toBe(0);
}

async function purgeHistory(world: Real["world"]): Promise<void> {
  world.clock.advance(world.deps.historyRetentionMs + 3_600_000);
  await world.tick();
  // The row of a dead letter is kept for as long as the letter is on the bus.
  const left = world.closed().filter(({ sequenceNumber }) => world.message(sequenceNumber).letter === undefined);
  expect(left, "closed rows after the purge").toEqual([]);
}

function checkOutcome(model: Model, world: Real["world"], message: FakeMessage): void {
  const { sequenceNumber, state } = message;
  const outcome = message.letter?.reason ?? state;
  if (state === "expired" || model.rowLost.has(sequenceNumber)) return;
  if (model.cancelled.has(sequenceNumber) && outcome === "Cancelled") return;
  const row = world.closed().find((run) => run.sequenceNumber === sequenceNumber);
  const { status, attempt, failures, interruptions } = row ?? {};
  const wanted = expectedOutcomes(model, message);
  expect(wanted, `message ${sequenceNumber}`).toContainEqual({ outcome, status, attempt, failures, interruptions });
}
