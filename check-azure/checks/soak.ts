import Long from "long";
import { z } from "zod";
import type { Azure } from "../azure.ts";
import { type Check, disproven, notTried, proven } from "../check.ts";
import { SOURCES } from "../check-values.ts";
import { dispatcherPods } from "../cluster.ts";

export const SOAK_MESSAGES = 20_000;
/** These fill what host and app keep for reuse, before the memory is measured. */
const WARM = SOAK_MESSAGES / 5;
const BODY = Buffer.alloc(8 * 1024, "x");
/** The flow has stopped if no message is accepted for this long, which is more than two locks of 5 minutes. */
const STALL_MINUTES = 11;
const MIB = 1024 * 1024;

export const soak: Check = {
  question: `Does one link of the real Functions host bring ${SOAK_MESSAGES} messages, without the host's memory growing by them?`,
  deed: `Deployed one replica, sent ${SOAK_MESSAGES} messages of 8 KiB to a paused module, and waited until all were deferred.`,
  minutes: 25,
  async run(azure) {
    await azure.deploy({ scaling: { minReplicas: 1, maxReplicas: 1 } });
    const isAlone = await azure.until(async () => (await dispatcherPods(azure)).length === 1, 10);
    const [pod] = await dispatcherPods(azure);
    if (!isAlone || pod === undefined) return notTried("There was not exactly one replica.");
    const startedAt = azure.now();
    const count = countDeferred(azure);
    await azure.bus.send(SOURCES.soak, soakMessages(0, WARM));
    const isWarm = await flowsUntil(azure, count, WARM);
    const before = await workingSet(azure);
    if (isWarm) await azure.bus.send(SOURCES.soak, soakMessages(WARM, SOAK_MESSAGES));
    const isWhole = isWarm && (await flowsUntil(azure, count, SOAK_MESSAGES));
    const seconds = Math.max(1, Math.round((azure.now() - startedAt) / 1_000));
    const { deferred, again } = await count();
    const grown = (await workingSet(azure)) - before;
    const [after] = await dispatcherPods(azure);
    const restarts = after?.metadata.uid === pod.metadata.uid ? restartsOf(after) - restartsOf(pod) : 1;
    const what = `${deferred} of ${SOAK_MESSAGES} messages were deferred in ${seconds} s, ${again} of them came more than once. The pod's working set grew by ${Math.round(grown / MIB)} MiB, and it restarted ${restarts} times.`;
    // If each message stayed in memory, the pod would grow by all their bodies.
    const isLeak = grown > (BODY.length * (SOAK_MESSAGES - WARM)) / 2;
    return isWhole && restarts === 0 && !isLeak ? proven(what) : disproven(what);
  },
};

function soakMessages(from: number, to: number) {
  return Array.from({ length: to - from }, (_, index) => ({ messageId: `soak-${from + index}`, body: BODY }));
}

interface Deferred {
  readonly deferred: number;
  /** How many of them were delivered more than once. */
  readonly again: number;
}

/** Makes a count of the deferred messages that looks at each of them once. */
function countDeferred({ bus }: Azure): () => Promise<Deferred> {
  let from = Long.ONE;
  let done: Deferred = { deferred: 0, again: 0 };
  return async () => {
    const found = await bus.peek(SOURCES.soak, { from });
    const states = found.map(({ state, deliveryCount = 0, sequenceNumber }) => ({
      sequenceNumber,
      deferred: state === "deferred" ? 1 : 0,
      again: state === "deferred" && deliveryCount > 1 ? 1 : 0,
    }));
    const isNext = states.findIndex(({ deferred }) => deferred === 0);
    const passed = states.slice(0, isNext === -1 ? states.length : isNext);
    const total = add(done, states);
    done = add(done, passed);
    from = passed.at(-1)?.sequenceNumber?.add(1) ?? from;
    return total;
  };
}

function add(to: Deferred, counts: readonly Deferred[]): Deferred {
  return counts.reduce(
    (sum, { deferred, again }) => ({ deferred: sum.deferred + deferred, again: sum.again + again }),
    to,
  );
}

/** Waits until so many messages are deferred. Resolves to false if no new one is for too long. */
async function flowsUntil(azure: Azure, count: () => Promise<Deferred>, most: number): Promise<boolean> {
  for (;;) {
    const { deferred: before } = await count();
    if (before >= most) return true;
    if (!(await azure.until(async () => (await count()).deferred > before, STALL_MINUTES))) return false;
  }
}

const metrics = z.object({
  items: z.array(z.object({ containers: z.array(z.object({ usage: z.object({ memory: z.string() }) })) })),
});

/** The bytes that the pods of the Dispatcher use. */
async function workingSet({ kubectl }: Azure): Promise<number> {
  const found = metrics.parse(
    JSON.parse(await kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/dispatcher/pods")),
  );
  return found.items.flatMap(({ containers }) => containers).reduce((sum, { usage }) => sum + bytesOf(usage.memory), 0);
}

const UNITS: Readonly<Record<string, number>> = { Ki: 1024, Mi: MIB, Gi: 1024 * MIB };

function bytesOf(quantity: string): number {
  const [, number = "0", unit = ""] = /^(\d+)(\w*)$/.exec(quantity) ?? [];
  return Number(number) * (UNITS[unit] ?? 1);
}

function restartsOf(pod: Awaited<ReturnType<typeof dispatcherPods>>[number]): number {
  return (pod.status.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0);
}
