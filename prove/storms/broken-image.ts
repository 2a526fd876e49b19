import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Books, BusMessage } from "../audit/audit.ts";
import { readBooks, readBus, readTripped } from "../audit/books.ts";
import { planMessages } from "../stage/kinds.ts";
import { imageOf } from "../stage/proof-modules.ts";
import { mostDeliveries, noneDeadLettered } from "./delivery-counts.ts";
import type { Check, Judge, Scene, Storm } from "./storm.ts";

/** The module whose image is missing, and the kind of the messages that it takes. */
const MODULE = "succeed";
const KIND = "success";

/** The Jobs of two messages may fail before the third pauses the module. */
const PAYING = 2;
const PAID = "1 failures counted, not 0";

/** Of other modules, as many messages as a tenth of the broken one's: they have to pass it by. */
const SHARE_OF_OTHERS = 10;

/** So much later than it happened is a pause noticed here, at most. */
const LOOK_LATE_MS = 5_000;

/** So long may a tick take where thousands of runs are open, and the next one wait for it. */
const TICK_LATE_MS = 120_000;

const readiness = z.object({ ready: z.boolean(), tripped: z.record(z.string(), z.string()) });

export const brokenImage: Storm = {
  about: "a module's image can't be pulled, and is mended later; other modules don't notice",
  messages: 10_000,
  outageMs: 300_000,
  // Of its own messages alone.
  allows: ({ verdict, about, what }, { closed }) =>
    verdict === "wrong" &&
    what === PAID &&
    closed.some(({ runId, messageId }) => runId === about && messageId.startsWith(`${KIND}-`)),
  rage,
};

async function rage(scene: Scene): Promise<Judge> {
  const { send, size, stage, until, lines, say } = scene;
  const linesWith = (words: string) => lines.linesWith(words);
  await stage.loseImages([imageOf(MODULE)]);
  const good = planMessages(size.seed, Math.max(10, Math.ceil(size.messages / SHARE_OF_OTHERS)), ["retry", "topic"]);
  const [early, late] = [good.slice(0, good.length / 2), good.slice(good.length / 2)];
  await Promise.all([send(planMessages(size.seed, size.messages, [KIND])), send(early)]);
  const isTripped = await until(() => linesWith("tripped a module") > 0);
  say("the module tripped");
  const trippedAt = performance.now();
  const mendAt = trippedAt + size.outageMs;
  // These arrive while it is tripped.
  await send(late);
  const others = new Set(good.map(({ id }) => id));
  const done = async () => {
    const { closed } = await readBooks(stage.servers, []);
    return closed.filter(({ messageId, status }) => others.has(messageId) && status === "succeeded").length;
  };
  await until(async () => (await done()) === good.length);
  const othersDone = await done();
  const seconds = Math.round((performance.now() - trippedAt) / 1000);
  say(`${othersDone} messages of other modules are done, ${stage.openMessages()} wait`);
  await sleep(Math.max(0, mendAt - performance.now()));
  const { bus, deadLetters } = await readBus(stage.servers.serviceBus);
  const checks = [
    {
      claim: "the module tripped, and one process said so once",
      holds: isTripped && linesWith("tripped a module") === 1,
      found: `${linesWith("tripped a module")} lines`,
    },
    await saidByReadiness(scene),
    await saidByRow(scene),
    {
      claim: "messages of other modules were done while it was tripped",
      holds: othersDone === good.length,
      found: `${othersDone} of ${good.length}, after ${seconds} s`,
    },
    { claim: "all of its messages wait", holds: bus.length === size.messages, found: `${bus.length} wait` },
    noneDeadLettered(deadLetters, "while it was tripped"),
    waitedAtNoCost(bus),
    probedNowAndThen(scene, performance.now() - trippedAt),
  ];
  await stage.loseImages([]);
  const mendedAt = performance.now();
  await until(() => linesWith("a module recovered") > 0);
  say(`recovered ${Math.round((performance.now() - mendedAt) / 1000)} s after it was mended`);
  return (books: Books) => [
    ...checks,
    {
      claim: "the module recovered by itself",
      holds: linesWith("a module recovered") > 0,
      found: `${linesWith("a module recovered")} lines`,
    },
    paidBy(books),
    noneDeadLettered(books.deadLetters, "in the end"),
  ];
}

async function saidByReadiness({ stage }: Scene): Promise<Check> {
  const answers = await Promise.all(
    stage.dispatchers.map(async ({ port }) =>
      readiness.parse(await (await fetch(`http://127.0.0.1:${port}/api/health/ready`)).json()),
    ),
  );
  return {
    claim: "each process says in /ready that it is tripped and why, and is ready all the same",
    holds: answers.every(({ ready, tripped }) => ready && tripped[MODULE]?.includes(imageOf(MODULE)) === true),
    found: JSON.stringify(answers[0]?.tripped),
  };
}

async function saidByRow({ stage }: Scene): Promise<Check> {
  const tripped = await readTripped(stage.servers);
  return {
    claim: "the pause is a row, and the only one",
    holds: tripped.length === 1 && tripped[0] === MODULE,
    found: `tripped: ${tripped.join(", ")}`,
  };
}

/** One delivery, which deferred it; one more for each of the few whose attempt failed or was a probe, which was requeued. */
function waitedAtNoCost(bus: readonly BusMessage[]): Check {
  const dear = bus.filter(({ deliveryCount = 0 }) => deliveryCount > 2).length;
  const limit = Math.max(PAYING + 1, Math.ceil(bus.length / 100));
  return {
    claim: `not more than ${limit} messages were delivered more than twice`,
    holds: dear <= limit,
    found: `${dear} were, ${mostDeliveries(bus)} times at most`,
  };
}

/** How many probes are due in so long a pause: after one minute, two more, four more and so on, and then every ten. */
export function probesWithin(trippedMs: number): number {
  let probes = 0;
  for (let at = 1, wait = 2; at * 60_000 <= trippedMs; at += wait, wait = Math.min(2 * wait, 10)) probes += 1;
  return probes;
}

/** The first one is due after a minute, and noticed with the next tick. */
function probedNowAndThen({ lines }: Scene, trippedMs: number): Check {
  const probes = lines.linesWith("probing a tripped module");
  const least = Math.min(1, probesWithin(trippedMs - TICK_LATE_MS));
  const most = probesWithin(trippedMs + LOOK_LATE_MS);
  return {
    claim: `from ${least} to ${most} messages were tried meanwhile`,
    holds: probes >= least && probes <= most,
    found: `${probes} tried`,
  };
}

function paidBy({ closed }: Books): Check {
  const paid = closed.filter(({ messageId, failures }) => failures > 0 && messageId.startsWith(`${KIND}-`)).length;
  return { claim: `at most ${PAYING} messages paid with an attempt`, holds: paid <= PAYING, found: `${paid} paid` };
}
