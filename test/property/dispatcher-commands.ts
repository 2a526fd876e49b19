import { setImmediate } from "node:timers/promises";
import * as fc from "fast-check";
import { expect } from "vitest";
import { makeLog } from "../../shared/log.ts";
import { limitModule, resumeModule } from "../../shared/operate/limit-module.ts";
import { openGate } from "../../shared/operate/open-gate.ts";
import { gateName } from "../../shared/run/gate-state.ts";
import { BY_HAND } from "../support/a-person.ts";
import type { MessageToSend } from "../support/fake-entity.ts";
import { RELEASES, type Release } from "../support/gated-ports.ts";
import { replayOptions } from "../support/property-options.ts";
import { LOCK_MS, SOURCE } from "../support/world.ts";
import {
  checkAlways,
  identityOf,
  type JobEnd,
  type Model,
  makeGatedReplica,
  type Real,
  stateOf,
} from "./dispatcher-model.ts";
import { foretell } from "./foretold-ticks.ts";

const SILENT = makeLog({ info() {}, warn() {}, error() {} });

type Step = fc.AsyncCommand<Model, Real>;

/**
 * A replica may sleep for as long as a case lasts. That has to be shorter than an hour, because a finished Job stays
 * for an hour, and the Dispatcher promises nothing about a longer sleep.
 */
const LONGEST_MS = 50 * 60_000;

/** An hour and thirty days, back and ahead. */
const CLOCK_STEPS_MS = [-3_600_000, 3_600_000, -30 * 86_400_000, 30 * 86_400_000];

const KINDS: Readonly<Record<string, MessageToSend>> = {
  ordinary: { subject: "mine" },
  large: { subject: "mine", body: "x".repeat(20_000) },
  brief: { subject: "mine", ttlMs: 90_000 },
  unroutable: { subject: "other" },
};
const OFTEN = ["ordinary", "ordinary", "ordinary", "large"];

const JOB_EVENTS = [
  "run",
  "succeed",
  "fail",
  "fail for good",
  "time out",
  "evict",
  "lose its pod",
  "vanish",
  "stick",
  "fit no node",
  "find no node",
  "get no pod",
  "be refused by its node",
  "suspend",
  "resume",
  "cancel",
] as const;
/** The events to draw from. Cancelling is nearly always possible, so it is drawn half as often. */
const DRAWN: readonly JobEvent[] = [...JOB_EVENTS, ...JOB_EVENTS.filter((event) => event !== "cancel")];
type JobEvent = (typeof JOB_EVENTS)[number];

/**
 * Makes one step, which fast-check prints by its name. It does nothing if `can` says no. After each step it checks
 * everything that must always be true.
 */
function step(
  name: string,
  can: (model: Model, real: Real) => boolean,
  act: (model: Model, real: Real) => unknown,
): Step {
  return {
    check: () => true,
    async run(model, real) {
      if (!can(model, real)) return;
      await act(model, real);
      await untilStill();
      checkAlways(model, real);
    },
    toString: () => name,
  };
}

/** Waits two turns of the loop. The fakes answer in microtasks, so by then every replica is at a gate, or done. */
async function untilStill(): Promise<void> {
  await setImmediate();
  await setImmediate();
}

const send = (kind: string) =>
  step(
    `send ${kind}`,
    (_, { world }) => world.broker.messages(SOURCE).length < 4,
    (_, { world }) => world.broker.send(SOURCE, { messageId: kind, ...KINDS[kind] }),
  );

/** Starts an invocation in a replica, as the host would. It waits at its first call. */
function start(real: Real, index: number, work: (replica: Real["replicas"][number]) => Promise<unknown>): void {
  const before = real.replicas[index];
  if (before?.gates.isAlive() === false) real.replicas[index] = makeGatedReplica(real.world, before.machine);
  const replica = real.replicas[index];
  if (!replica) return;
  replica.inFlight += 1;
  // The host only logs what an invocation throws.
  void work(replica)
    .catch(() => undefined)
    .finally(() => (replica.inFlight -= 1));
}

const isQuiet = ({ replicas }: Real) => replicas.every(({ gates }) => gates.waiting().length === 0);

const isIdle = ({ replicas }: Real, index: number) => {
  const replica = replicas[index];
  return replica !== undefined && (!replica.gates.isAlive() || replica.inFlight < 2);
};

const isWaiting = ({ world }: Real) =>
  world.broker.messages(SOURCE).some(({ state, locked }) => state === "active" && !locked);

const deliver = (index: number) =>
  step(
    `deliver to replica ${index}`,
    (_, real) => isIdle(real, index) && isWaiting(real),
    (_, real) => {
      const delivery = real.world.broker.redeliver(SOURCE);
      if (delivery) start(real, index, ({ accept }) => accept(delivery));
    },
  );

const tick = (index: number) =>
  step(
    `tick in replica ${index}`,
    (_, real) => isIdle(real, index),
    (_, real) => start(real, index, (replica) => replica.tick()),
  );

/** A third replica, whose calls have no gates, so that the product goes on while the others sleep. */
const deliverToThird = step(
  "deliver to the third replica",
  (_, real) => isWaiting(real),
  async (_, { world }) => {
    const delivery = world.broker.redeliver(SOURCE);
    if (delivery) await world.accept(delivery);
  },
);
const tickInThird = step(
  "tick in the third replica",
  () => true,
  async (_, real) => {
    const check = isQuiet(real) ? await foretell(real.world) : () => {};
    await real.world.tick();
    check();
  },
);

const release = (index: number, gate: number, how: Release) => {
  const waiting = ({ replicas }: Real) => replicas[index]?.gates.waiting() ?? [];
  return step(
    `replica ${index}: call ${gate} ${how}`,
    (_, real) => waiting(real).length > 0,
    (model, real) => {
      model.cut ||= how !== "answers" && how !== "sleeps on its reply";
      real.replicas[index]?.gates.release(gate % waiting(real).length, how);
    },
  );
};

/** Lets so many calls of a replica answer, one after the other. */
const goOn = (index: number, calls: number) =>
  step(
    `replica ${index} goes on for ${calls} calls`,
    (_, { replicas }) => (replicas[index]?.gates.waiting().length ?? 0) > 0,
    async (_, { replicas }) => {
      for (let call = 0; call < calls; call += 1) {
        replicas[index]?.gates.release(0, "answers");
        await untilStill();
      }
    },
  );

const pass = (ms: number) =>
  step(
    `${ms / 1000} s pass`,
    (model) => model.elapsedMs + ms <= LONGEST_MS,
    (model, { world }) => {
      model.elapsedMs += ms;
      world.clock.advance(ms);
      showAgain(model, world);
    },
  );

/** Sets the wall clock of a replica's machine, which harms neither the replica nor the others. */
const setClock = (index: number, ms: number) =>
  step(
    `the clock of replica ${index} is set by ${ms / 3_600_000} h`,
    () => true,
    (_, { replicas }) => replicas[index]?.machine.step(ms),
  );

/**
 * Makes the bus deny a message for a moment. It never denies it at both of the peeks, a lock duration apart, that the
 * Dispatcher needs to believe in the absence.
 */
const hide = step(
  "the bus denies a deferred message",
  (model, { world }) => undenied(model, world).length > 0,
  (model, { world }) => {
    const [sequenceNumber = 0] = undenied(model, world);
    model.denied.set(sequenceNumber, model.elapsedMs);
    world.hide(sequenceNumber);
  },
);

const undenied = ({ denied }: Model, world: Real["world"]) =>
  deferred(world)
    .map(({ sequenceNumber }) => sequenceNumber)
    .filter((sequenceNumber) => !denied.has(sequenceNumber));

function showAgain({ denied, elapsedMs }: Model, world: Real["world"]): void {
  for (const [sequenceNumber, since] of denied) if (elapsedMs - since > 30_000) world.show(sequenceNumber);
}

/**
 * Deletes the rows of a run. It does so only while no replica works on the run, because that replica would write the
 * row again. It spares a run with a deleted Job, because then only the row knows of that attempt.
 */
const loseRow = step(
  "the rows of a run are lost",
  (model, real) => isQuiet(real) && losable(model, real) !== undefined,
  (model, real) => {
    const run = losable(model, real);
    if (!run) return;
    model.rowLost.add(run.sequenceNumber);
    real.world.table.forget(run);
  },
);

function losable({ vanished }: Model, { world }: Real) {
  return world.open().find(({ status, sequenceNumber }) => status !== "accepted" && !vanished.has(sequenceNumber));
}

const deferred = (world: Real["world"]) =>
  world.broker.messages(SOURCE).filter(({ state, locked }) => state === "deferred" && !locked);

const lock = step(
  "another receiver locks a deferred message",
  (_, { world }) => deferred(world).length > 0,
  (_, { world }) => world.broker.lockDeferred(SOURCE, deferred(world)[0]?.sequenceNumber ?? 0),
);

const quota = step(
  "the quota is full once",
  () => true,
  (_, { world }) => world.cluster.quotaNext(),
);
const refuse = step(
  "a create is refused",
  () => true,
  (_, { world }) => world.cluster.refuseNext(),
);

/** The person's words differ, so that a pause is also replaced by another. */
const limit = (slots: number | "resume") =>
  step(
    slots === "resume" ? "a person resumes the module" : `a person gives the module ${slots} slots`,
    () => true,
    async (_, { world }) => limitTo(world, slots),
  );

async function limitTo({ deps }: Real["world"], slots: number | "resume"): Promise<void> {
  const module = [...deps.modules.keys()][0] ?? "";
  if (slots === "resume") await resumeModule(deps, module, BY_HAND, SILENT);
  else await limitModule(deps, module, slots, BY_HAND, SILENT);
}

const play = (index: number, event: JobEvent) =>
  step(
    `a Job: ${event} (${index})`,
    (model, real) => jobsFor(model, real, event).length > 0,
    (model, real) => {
      const names = jobsFor(model, real, event);
      playJob(model, real, names[index % names.length] ?? "", event);
    },
  );

/** The Jobs to which this event can happen now. */
function jobsFor(model: Model, real: Real, event: JobEvent): string[] {
  const { world } = real;
  return world.cluster.names().filter((name) => {
    const job = world.cluster.job(name);
    const known = model.jobs.get(name);
    const state = stateOf(world, name);
    if (event === "cancel") return true;
    if (event === "resume") return state === "suspended" && job.metadata?.labels?.["ion/retired"] !== "true";
    if (state !== "active" || known === undefined) return false;
    // A Job that is stuck would get a second end, and the model can't tell which comes first. Success wins over both.
    if (known.end === "stuck") return event === "run" || event === "succeed";
    if (event === "vanish") return isKnownToItsRow(real, name);
    if (BEFORE_IT_RUNS.has(event)) return known.ran !== true;
    return event !== "stick" || job.status?.ready === 0;
  });
}

/**
 * Whether a row names the Job, and no replica is about to create it. A Job that is deleted before that leaves no trace,
 * so the model could not tell its attempt.
 */
function isKnownToItsRow(real: Real, name: string): boolean {
  return (
    isQuiet(real) &&
    real.world
      .open()
      .some(({ jobName, status, endOrdered }) => jobName === name && status === "dispatched" && !endOrdered)
  );
}

const WRONG_KIND = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.";

/** What happens only to a pod none of whose containers has started. */
const BEFORE_IT_RUNS = new Set<JobEvent>(["fit no node", "find no node", "get no pod", "be refused by its node"]);

/** What happens to a Job whether it has a pod or not. */
const WITHOUT_POD = new Set<JobEvent>(["vanish", "get no pod", "suspend", "resume", "cancel"]);

const ENDS: Partial<Record<JobEvent, JobEnd>> = {
  succeed: "success",
  fail: "failure",
  "fail for good": "permanent",
  "time out": "timed out",
  evict: "interruption",
  "lose its pod": "interruption",
  vanish: "interruption",
  stick: "stuck",
  "fit no node": "stuck",
  "be refused by its node": "unstarted",
};

function isHeldUp(world: Real["world"], name: string): boolean {
  return world.open().some(({ jobName, heldUpBy }) => jobName === name && heldUpBy !== undefined);
}

function playJob(model: Model, real: Real, name: string, event: JobEvent): void {
  const { world } = real;
  const { cluster } = world;
  const known = model.jobs.get(name);
  const end = ENDS[event];
  if (known && end !== undefined) known.end = end;
  if (known && event === "vanish") model.vanished.add(known.message);
  if (known && end === "stuck") known.stuck = true;
  if (known && end === "interruption") known.held = known.ran !== true || !isQuiet(real) || isHeldUp(world, name);
  if (known && (event === "run" || end !== undefined)) known.ran = true;
  if (!WITHOUT_POD.has(event)) cluster.givePod(name);
  const acts: Record<JobEvent, () => void> = {
    run: () => cluster.run(name),
    succeed: () => cluster.succeed(name),
    fail: () => cluster.fail(name),
    "fail for good": () => cluster.fail(name, 64),
    "time out": () => cluster.timeOut(name),
    evict: () => cluster.evict(name),
    "lose its pod": () => cluster.deletePod(name),
    vanish: () => cluster.deleteJob(name),
    stick: () => cluster.stick(name),
    "fit no node": () => cluster.unschedule(name, WRONG_KIND),
    "find no node": () => cluster.unschedule(name, "0/3 nodes are available: 3 Insufficient cpu."),
    "get no pod": () => cluster.withholdPod(name, "exceeded quota: pods"),
    "be refused by its node": () => cluster.refusePod(name, "OutOfcpu"),
    suspend: () => cluster.suspend(name),
    resume: () => cluster.resume(name),
    cancel: () => {
      model.cancelled.add(identityOf(cluster.job(name)).key.sequenceNumber);
      cluster.cancel(name);
    },
  };
  acts[event]();
}

/**
 * Any order of what senders, host, replicas, network, cluster and people do. It has whole invocations and halves of
 * them, because either kind alone finds fewer bugs.
 */
export function anyOrderOfEvents(): fc.Arbitrary<Iterable<Step>> {
  const replica = fc.nat({ max: 1 });
  const few = fc.nat({ max: 3 });
  const anyRelease = fc.tuple(replica, few, fc.constantFrom(...RELEASES));
  const anyStep = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...OFTEN, "large", "brief", "unroutable", "unroutable").map(send) },
    { weight: 3, arbitrary: replica.map(deliver) },
    { weight: 3, arbitrary: replica.map(tick) },
    { weight: 6, arbitrary: fc.constantFrom(deliverToThird, tickInThird, tickInThird) },
    { weight: 3, arbitrary: anyRelease.map(([index, gate, how]) => release(index, gate, how)) },
    { weight: 4, arbitrary: fc.tuple(replica, fc.integer({ min: 1, max: 12 })).map(([p, calls]) => goOn(p, calls)) },
    { weight: 4, arbitrary: fc.constantFrom(1_000, 5_000, 16_000, 31_000, 61_000, LOCK_MS).map(pass) },
    { weight: 1, arbitrary: fc.tuple(replica, fc.constantFrom(...CLOCK_STEPS_MS)).map(([p, ms]) => setClock(p, ms)) },
    { weight: 8, arbitrary: fc.tuple(few, fc.constantFrom(...DRAWN)).map(([index, event]) => play(index, event)) },
    { weight: 1, arbitrary: fc.constantFrom(0 as const, 1 as const, 3 as const, "resume" as const).map(limit) },
    { weight: 2, arbitrary: fc.constantFrom(lock, lock, hide, hide, loseRow, quota, refuse) },
  );
  return fc.commands([anyStep], { maxCommands: 120, size: "max", ...replayOptions() });
}

/** Whether a Job can come to its end by itself. The Dispatcher ends a stuck Job, unless the Job started after all. */
async function canRun({ jobs }: Model, { world }: Real, name: string): Promise<boolean> {
  const [pod] = await world.cluster.pods(name);
  return jobs.get(name)?.end !== "stuck" || pod?.status?.phase === "Running";
}

/** Pauses the module, sees that no Job is created from then on, and resumes it. */
async function startNothingWhilePaused(world: Real["world"], alone: Pick<Real["world"], "tick">): Promise<void> {
  await limitTo(world, 0);
  const before = world.cluster.creates.length;
  for (let turn = 0; turn < 3; turn += 1) {
    world.clock.advance(31_000);
    await alone.tick();
  }
  expect(world.cluster.creates.length, "creates while the module is paused").toBe(before);
  await limitTo(world, "resume");
}

/**
 * Lets events stop. All that sleeps wakes, each Job comes to its end, and one replica goes on alone. A person opens a gate
 * that is shut.
 */
export async function letItEnd(model: Model, real: Real): Promise<void> {
  const { world, replicas } = real;
  for (const { gates } of replicas)
    while (gates.waiting().length > 0) {
      gates.release(0, "answers");
      await untilStill();
    }
  model.elapsedMs = Number.POSITIVE_INFINITY;
  showAgain(model, world);
  const alone = world.makeReplica();
  await startNothingWhilePaused(world, alone);
  for (let turn = 0, quiet = 0; turn < 120 && quiet < 4; turn += 1) {
    // After thirty turns only busy messages are left, whose wait doubles up to half an hour.
    world.clock.advance(turn < 30 ? 31_000 : 600_000);
    for (const name of world.cluster.names()) {
      const state = stateOf(world, name);
      if (state === "suspended" && jobsFor(model, real, "resume").includes(name)) playJob(model, real, name, "resume");
      else if (state === "active" && (await canRun(model, real, name))) playJob(model, real, name, "succeed");
    }
    const delivery = world.broker.redeliver(SOURCE);
    if (delivery) await alone.accept(delivery);
    const check = await foretell(world);
    await alone.tick();
    check();
    // If no message fits any more, a person has to say that the files are right.
    await openGate(world.deps, gateName({ source: SOURCE }), BY_HAND, SILENT);
    checkAlways(model, real);
    const isOver =
      world.open().length === 0 &&
      world.broker.messages(SOURCE).every(({ state }) => state !== "active" && state !== "deferred");
    quiet = isOver ? quiet + 1 : 0;
  }
}
