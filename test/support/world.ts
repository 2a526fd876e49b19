import { type AcceptOutcome, makeAccept } from "../../shared/accept/accept.ts";
import { makeHandleDelivery } from "../../shared/accept/handle-delivery.ts";
import type { Clock } from "../../shared/clock.ts";
import type { Dependencies } from "../../shared/dependencies.ts";
import { makeClusterGuard } from "../../shared/holds/cluster-guard.ts";
import { makeSourceHolds } from "../../shared/holds/source-holds.ts";
import { makeGates } from "../../shared/judge/gates.ts";
import { type Log, makeLog } from "../../shared/log.ts";
import type { Module } from "../../shared/modules/module.ts";
import { makeJobOwners } from "../../shared/observe/job-owners.ts";
import { isRecord } from "../../shared/plain-data.ts";
import type { JobListing } from "../../shared/ports/job-cluster.ts";
import type { DeferredKey, DeferredOutcome, MessageBroker } from "../../shared/ports/message-broker.ts";
import { makeInHand } from "../../shared/reconcile/in-hand.ts";
import { makeReconcile } from "../../shared/reconcile/reconcile.ts";
import { makeWakes } from "../../shared/reconcile/wakes.ts";
import type { Run } from "../../shared/run/run.ts";
import type { Source } from "../../shared/run/source.ts";
import { makeAdmission } from "../../shared/start/admission.ts";
import { makeBreakers } from "../../shared/start/breakers.ts";
import { makeLimits } from "../../shared/start/limits.ts";
import { makeRecentEnds } from "../../shared/telemetry/recent-ends.ts";
import { withTimeline } from "../../shared/with-timeline.ts";
import { aModule } from "./a-module.ts";
import { type FakeBroker, makeFakeBroker, NO_HOST_LINK } from "./fake-broker.ts";
import { FakeCluster } from "./fake-cluster.ts";
import type { MessageToSend } from "./fake-entity.ts";
import { makeFakePayloadStore } from "./fake-payload-store.ts";
import { makeFakeRunTable, type Tables } from "./fake-run-table.ts";
import { onMachine } from "./service-time.ts";
import { makeTestClock } from "./test-clock.ts";

/** `with a link`: it hands over each message as it came, and settles it on the link that brought it. */
export type Host = "without a link" | "with a link";

export const LOCK_MS = 120_000;

/**
 * The core on fakes, with a clock that stands still. It has one bus, one table, one cluster, and as many replicas as a
 * test makes.
 */
export function makeWorld(
  modules: readonly Module[] = [aModule({ retry: RETRY })],
  overrides: Partial<Dependencies> = {},
  host: Host = "without a link",
) {
  const clock = makeTestClock();
  const table = makeFakeRunTable({ clock });
  const broker = makeFakeBroker({ clock, lockDurationMs: LOCK_MS });
  const hidden = new Set<number>();
  const shown = hiding(broker, hidden);
  const cluster = new FakeCluster({ clock });
  const payloads = makeFakePayloadStore({ clock });
  const lines: Record<string, unknown>[] = [];
  const log: Log = makeLog({
    info: (line) => lines.push({ level: "info", ...parse(line) }),
    warn: (line) => lines.push({ level: "warn", ...parse(line) }),
    error: (line) => lines.push({ level: "error", ...parse(line) }),
  });

  /**
   * Makes one replica, with its own admission and breakers. `machine` are the clocks of its own machine, if they may be
   * wrong: it then hears the time from the table. `over` replaces some of its dependencies.
   */
  function makeReplica({ tables = table, machine, ...over }: Partial<Dependencies> & ReplicaPlace = {}) {
    const own = machine ? onMachine(machine, tables, clock) : { tables, clock };
    const deps: Dependencies = {
      table: withTimeline(own.tables, own.clock),
      instanceTable: own.tables,
      broker: shown,
      hostLink: host === "with a link" ? broker.hostLink : NO_HOST_LINK,
      cluster,
      payloads,
      clock: own.clock,
      modules: new Map(modules.map((module) => [module.name, module])),
      wrongFiles: [],
      instance: "dispatcher",
      namespace: "jobs",
      bodyAccess: "inline",
      lockDurationMs: LOCK_MS,
      jobRetentionMs: 3_600_000,
      kedaVersion: undefined,
      historyRetentionMs: 30 * 86_400_000,
      ...overrides,
      ...over,
    };
    const limits = makeLimits(deps);
    const admission = makeAdmission(deps.table, deps.clock, limits);
    const breakers = makeBreakers(deps);
    const gates = makeGates(deps);
    const holds = { cluster: makeClusterGuard(deps), sources: makeSourceHolds(deps) };
    const owners = makeJobOwners();
    const ends = makeRecentEnds(deps);
    const accept = makeHandleDelivery(
      makeAccept(deps, admission, breakers, limits, gates, holds),
      [owners.note, ends.read],
      ends.noteSoon,
    );
    const inHand = makeInHand();
    const reconcile = makeReconcile(deps, admission, breakers, limits, gates, holds, inHand, owners, ends);
    const openWakes = makeWakes(deps, { admission, breakers, limits, gates, holds, inHand, owners, ends });
    return {
      deps,
      accept: (delivery: { sequenceNumber: number; lockToken: string }): Promise<AcceptOutcome> =>
        accept(SOURCE, { ...delivery }, log),
      /** Hands a message of another source to the trigger. */
      acceptFrom: (source: Source, delivery: { sequenceNumber: number; lockToken: string }): Promise<AcceptOutcome> =>
        accept(source, { ...delivery }, log),
      tick: async () => void (await reconcile(log)),
      lightTick: async () => void (await reconcile(log, { isLight: true })),
      openWakes: () => openWakes(log),
      /**
       * Wakes the runs of these Jobs as a watch does that tells of them now, or told so of them before, and waits until
       * that is done. Resolves to whether the next tick has to list.
       */
      async wake(...jobs: readonly (string | JobListing)[]): Promise<boolean> {
        const told = jobs.map((job) => (typeof job === "string" ? cluster.newsOf(job) : job));
        const wakes = openWakes(log);
        for (const news of told) wakes.wake(news);
        // What is in hand has begun by then.
        await new Promise((resolve) => setTimeout(resolve, 20));
        return wakes.close();
      },
      reconcile,
    };
  }

  const first = makeReplica();
  return {
    ...first,
    clock,
    table,
    broker,
    cluster,
    payloads,
    lines,
    log,
    makeReplica,
    /** Makes the bus deny that it has this message, until it shows it again. */
    hide: (sequenceNumber: number) => void hidden.add(sequenceNumber),
    show: (sequenceNumber: number) => void hidden.delete(sequenceNumber),
    /** The message of this number, settled or not. */
    message: (sequenceNumber: number) => broker.message(SOURCE, sequenceNumber),
    /** Lets all locks lapse, and hands the oldest active message to a trigger. */
    redeliver() {
      broker.lapseLocks(SOURCE);
      const delivery = broker.redeliver(SOURCE);
      if (!delivery) throw new Error("no message is active");
      return delivery;
    },
    /** The open runs, oldest first. */
    open: (): Run[] => table.rows().open,
    closed: () => table.rows().closed,
    /** The only open run. */
    run: (): Run => {
      const [run, ...others] = table.rows().open;
      if (!run || others.length > 0) throw new Error(`${others.length + (run ? 1 : 0)} runs are open, not one`);
      return run;
    },
    /** The name of the only open run's Job. */
    jobName: (): string => table.rows().open[0]?.jobName ?? "",
    /** Puts a message on the bus and hands it to the trigger. */
    async send(message: MessageToSend = {}) {
      const delivery = broker.deliver(SOURCE, { messageId: "m-1", body: Buffer.from("{}"), ...message });
      const outcome = await first.accept(delivery);
      return { ...delivery, outcome };
    },
    /** The line that every tick ends with. */
    lastTick: () => lines.findLast(({ message }) => message === "reconciled" || message === "reconcile is held up"),
  };
}

/** Where a replica runs, and which table it has. */
interface ReplicaPlace {
  readonly tables?: Tables;
  readonly machine?: Clock;
}

export type World = ReturnType<typeof makeWorld>;

/** A world with one message whose first Job runs. */
export async function withRun(world: World = makeWorld(), message: MessageToSend = {}): Promise<World> {
  await world.send(message);
  world.cluster.run(world.jobName());
  return world;
}

/** Ticks until `until` holds, and lets the clock go on in between. */
export async function ticks(world: World, until: () => boolean, stepMs = 5_000, most = 40): Promise<void> {
  for (let tick = 0; tick < most && !until(); tick += 1) {
    world.clock.advance(stepMs);
    await world.tick();
  }
}

export const SOURCE = { queue: "thumbnails" };

export const RETRY = {
  maxAttempts: 3,
  backoff: { firstMs: 1_000, maxMs: 4_000 },
  permanentExitCodes: [64],
  maxInterruptions: 2,
};

/** The broker, which denies the messages that are hidden just now. */
function hiding(broker: FakeBroker, hidden: ReadonlySet<number>): MessageBroker {
  const unlessHidden = async (
    { sequenceNumber }: DeferredKey,
    settle: () => Promise<DeferredOutcome>,
  ): Promise<DeferredOutcome> => (hidden.has(sequenceNumber) ? "missing" : settle());
  return {
    ...broker,
    peek: async (source, number) => (hidden.has(number) ? undefined : broker.peek(source, number)),
    browse: async (source, from, count) =>
      (await broker.browse(source, from, count)).filter(({ sequenceNumber }) => !hidden.has(sequenceNumber)),
    completeDeferred: (key) => unlessHidden(key, () => broker.completeDeferred(key)),
    requeueDeferred: (key, stamp) => unlessHidden(key, () => broker.requeueDeferred(key, stamp)),
    deadLetterDeferred: (key, letter) => unlessHidden(key, () => broker.deadLetterDeferred(key, letter)),
  };
}

function parse(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line);
  return isRecord(value) ? value : {};
}
