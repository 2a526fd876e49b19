import { setImmediate } from "node:timers/promises";
import * as fc from "fast-check";
import type { MessageToSend } from "../support/fake-entity.ts";
import { RELEASES, type Release } from "../support/gated-ports.ts";
import { replayOptions } from "../support/property-options.ts";
import { LOCK_MS, SOURCE } from "../support/world.ts";
import {
  checkAlways,
  identityOf,
  type JobEnd,
  type Model,
  makeGatedProcess,
  type Real,
  stateOf,
} from "./dispatcher-model.ts";

type Step = fc.AsyncCommand<Model, Real>;

/** A process may sleep for as long as this test lasts: it has to be less than a finished Job stays, an hour, which is what is promised. */
const LONGEST_MS = 50 * 60_000;

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
  "suspend",
  "resume",
  "cancel",
] as const;
/** What is nearly always possible is drawn less often. */
const DRAWN: readonly JobEvent[] = [...JOB_EVENTS, ...JOB_EVENTS.filter((event) => event !== "cancel")];
type JobEvent = (typeof JOB_EVENTS)[number];

/**
 * One step, which fast-check prints by its name; it does nothing where it can't be done. Whatever it does, what must always hold is checked
 * after it.
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

/** The fakes answer in microtasks: after two turns of the loop every process is at a gate, or done. */
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

/** Starts what the host would start, in a process; it waits at its first call. */
function start(real: Real, index: number, work: (process: Real["processes"][number]) => Promise<unknown>): void {
  if (real.processes[index]?.gates.isAlive() === false) real.processes[index] = makeGatedProcess(real.world);
  const process = real.processes[index];
  if (!process) return;
  process.inFlight += 1;
  // The host only logs what an invocation throws.
  void work(process)
    .catch(() => undefined)
    .finally(() => (process.inFlight -= 1));
}

const isQuiet = ({ processes }: Real) => processes.every(({ gates }) => gates.waiting().length === 0);

const isIdle = ({ processes }: Real, index: number) => {
  const process = processes[index];
  return process !== undefined && (!process.gates.isAlive() || process.inFlight < 2);
};

const isWaiting = ({ world }: Real) =>
  world.broker.messages(SOURCE).some(({ state, locked }) => state === "active" && !locked);

const deliver = (index: number) =>
  step(
    `deliver to process ${index}`,
    (_, real) => isIdle(real, index) && isWaiting(real),
    (_, real) => {
      const delivery = real.world.broker.redeliver(SOURCE);
      if (delivery) start(real, index, ({ accept }) => accept(delivery));
    },
  );

const tick = (index: number) =>
  step(
    `tick in process ${index}`,
    (_, real) => isIdle(real, index),
    (_, real) => start(real, index, (process) => process.tick()),
  );

/** A third process, which nothing ever keeps: while others sleep, life goes on. */
const deliverToThird = step(
  "deliver to the third process",
  (_, real) => isWaiting(real),
  async (_, { world }) => {
    const delivery = world.broker.redeliver(SOURCE);
    if (delivery) await world.accept(delivery);
  },
);
const tickInThird = step(
  "tick in the third process",
  () => true,
  (_, { world }) => world.tick(),
);

const release = (index: number, gate: number, how: Release) => {
  const waiting = ({ processes }: Real) => processes[index]?.gates.waiting() ?? [];
  return step(
    `process ${index}: call ${gate} ${how}`,
    (_, real) => waiting(real).length > 0,
    (model, real) => {
      model.cut ||= how !== "answers" && how !== "sleeps on its reply";
      real.processes[index]?.gates.release(gate % waiting(real).length, how);
    },
  );
};

/** So many calls of a process answer, one after the other. */
const goOn = (index: number, calls: number) =>
  step(
    `process ${index} goes on for ${calls} calls`,
    (_, { processes }) => (processes[index]?.gates.waiting().length ?? 0) > 0,
    async (_, { processes }) => {
      for (let call = 0; call < calls; call += 1) {
        processes[index]?.gates.release(0, "answers");
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

/** The bus may deny a message for a moment, but not at both of the looks, a lock duration apart, that it takes to believe its absence. */
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
 * Somebody deletes the rows of a run. Not while a process works on it, or the row would be back; nor of one of which somebody deleted a Job
 * too: then nothing is left that knows of the attempt.
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

const hold = step(
  "somebody holds a deferred message",
  (_, { world }) => deferred(world).length > 0,
  (_, { world }) => world.broker.holdDeferred(SOURCE, deferred(world)[0]?.sequenceNumber ?? 0),
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

const play = (index: number, event: JobEvent) =>
  step(
    `a Job: ${event} (${index})`,
    (model, real) => jobsFor(model, real, event).length > 0,
    (model, real) => {
      const names = jobsFor(model, real, event);
      playJob(model, real, names[index % names.length] ?? "", event);
    },
  );

/** The Jobs to which this can happen now. */
function jobsFor(model: Model, real: Real, event: JobEvent): string[] {
  const { world } = real;
  return world.cluster.names().filter((name) => {
    const job = world.cluster.job(name);
    const known = model.jobs.get(name);
    const state = stateOf(world, name);
    if (event === "cancel") return true;
    if (event === "resume") return state === "suspended" && job.metadata?.labels?.["ion/retired"] !== "true";
    if (state !== "active" || known === undefined) return false;
    // Which of two ends comes first would be anybody's guess; success wins over both.
    if (known.end === "stuck") return event === "run" || event === "succeed";
    if (event === "vanish") return isKnownToItsRow(real, name);
    return event !== "stick" || job.status?.ready === 0;
  });
}

/** A Job that somebody deletes before any row speaks of it, or while a process is about to create it, is as if it had never been. */
function isKnownToItsRow(real: Real, name: string): boolean {
  return (
    isQuiet(real) &&
    real.world.open().some(({ jobName, status, endOrdered }) => jobName === name && status === "dispatched" && !endOrdered)
  );
}

const ENDS: Partial<Record<JobEvent, JobEnd>> = {
  succeed: "success",
  fail: "failure",
  "fail for good": "permanent",
  "time out": "timed out",
  evict: "interruption",
  "lose its pod": "interruption",
  vanish: "interruption",
  stick: "stuck",
};

function playJob(model: Model, { world: { cluster } }: Real, name: string, event: JobEvent): void {
  const known = model.jobs.get(name);
  const end = ENDS[event];
  if (known && end !== undefined) known.end = end;
  if (known && event === "vanish") model.vanished.add(known.message);
  if (known && event === "stick") known.stuck = true;
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
    suspend: () => cluster.suspend(name),
    resume: () => cluster.resume(name),
    cancel: () => {
      model.cancelled.add(identityOf(cluster.job(name)).key.sequenceNumber);
      cluster.cancel(name);
    },
  };
  acts[event]();
}

/** Any order of what senders, host, processes, network, cluster and people do. Whole invocations and half ones: either alone finds less. */
export function anyOrderOfEvents(): fc.Arbitrary<Iterable<Step>> {
  const process = fc.nat({ max: 1 });
  const few = fc.nat({ max: 3 });
  const anyRelease = fc.tuple(process, few, fc.constantFrom(...RELEASES));
  const anyStep = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...OFTEN, "large", "brief", "unroutable").map(send) },
    { weight: 3, arbitrary: process.map(deliver) },
    { weight: 3, arbitrary: process.map(tick) },
    { weight: 6, arbitrary: fc.constantFrom(deliverToThird, tickInThird, tickInThird) },
    { weight: 3, arbitrary: anyRelease.map(([index, gate, how]) => release(index, gate, how)) },
    { weight: 4, arbitrary: fc.tuple(process, fc.integer({ min: 1, max: 12 })).map(([p, calls]) => goOn(p, calls)) },
    { weight: 4, arbitrary: fc.constantFrom(1_000, 5_000, 16_000, 31_000, 61_000, LOCK_MS).map(pass) },
    { weight: 8, arbitrary: fc.tuple(few, fc.constantFrom(...DRAWN)).map(([index, event]) => play(index, event)) },
    { weight: 2, arbitrary: fc.constantFrom(hold, hold, hide, hide, loseRow, quota, refuse) },
  );
  return fc.commands([anyStep], { maxCommands: 120, size: "max", ...replayOptions() });
}

/** One that is stuck is the Dispatcher's to end, unless somebody freed it. */
async function canRun({ jobs }: Model, { world }: Real, name: string): Promise<boolean> {
  const [pod] = await world.cluster.pods(name);
  return jobs.get(name)?.end !== "stuck" || pod?.status?.phase === "Running";
}

/** Events stop: whatever sleeps wakes, each Job comes to its end, and one process goes on alone. */
export async function letItEnd(model: Model, real: Real): Promise<void> {
  const { world, processes } = real;
  for (const { gates } of processes)
    while (gates.waiting().length > 0) {
      gates.release(0, "answers");
      await untilStill();
    }
  model.elapsedMs = Number.POSITIVE_INFINITY;
  showAgain(model, world);
  const alone = world.makeProcess();
  for (let turn = 0, quiet = 0; turn < 120 && quiet < 4; turn += 1) {
    // By then only somebody's hold is waited for, which doubles up to half an hour.
    world.clock.advance(turn < 30 ? 31_000 : 600_000);
    for (const name of world.cluster.names()) {
      const state = stateOf(world, name);
      if (state === "suspended" && jobsFor(model, real, "resume").includes(name)) playJob(model, real, name, "resume");
      else if (state === "active" && (await canRun(model, real, name))) playJob(model, real, name, "succeed");
    }
    const delivery = world.broker.redeliver(SOURCE);
    if (delivery) await alone.accept(delivery);
    await alone.tick();
    checkAlways(model, real);
    const isOver =
      world.open().length === 0 &&
      world.broker.messages(SOURCE).every(({ state }) => state !== "active" && state !== "deferred");
    quiet = isOver ? quiet + 1 : 0;
  }
}
