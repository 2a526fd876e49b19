import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { BusMessage, Records } from "../audit/audit.ts";
import { readBus, readRecords, readTripped } from "../audit/read-records.ts";
import { planMessages } from "../stage/kinds.ts";
import { imageOf } from "../stage/proof-modules.ts";
import { mostDeliveries, noneDeadLettered } from "./delivery-counts.ts";
import type { Check, FinalChecks, Storm, StormContext } from "./storm.ts";

/** The module whose image is missing, and the kind of the messages that it takes. */
const MODULE = "succeed";
const KIND = "success";

/** How many messages may pay with an attempt: the Jobs of two may fail before the third trips the module. */
const PAYING = 2;
const PAID = "1 failures counted, not 0";

/** The other modules get a tenth as many messages, and have to work them off while the broken module waits. */
const SHARE_OF_OTHERS = 10;

/** How late this storm may notice that the module tripped. */
const LOOK_LATE_MS = 5_000;

/** How late a probe may be: with thousands of open runs a tick takes long, and the next tick waits for it. */
const TICK_LATE_MS = 120_000;

const readiness = z.object({ ready: z.boolean(), tripped: z.record(z.string(), z.string()) });

export const brokenImage: Storm = {
  about: "the image of one module can't be pulled for a while, and other modules go on",
  messages: 10_000,
  outageMs: 300_000,
  // Only the broken module's own messages may pay.
  allows: ({ kind, about, what }, { closed }) =>
    kind === "wrong" &&
    what === PAID &&
    closed.some(({ runId, messageId }) => runId === about && messageId.startsWith(`${KIND}-`)),
  run,
};

async function run(context: StormContext): Promise<FinalChecks> {
  const { send, size, stage, until, lines, say } = context;
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
    const { closed } = await readRecords(stage.servers, []);
    return closed.filter(({ messageId, status }) => others.has(messageId) && status === "succeeded").length;
  };
  await until(async () => (await done()) === good.length);
  const othersDone = await done();
  const seconds = Math.round((performance.now() - trippedAt) / 1000);
  say(`${othersDone} messages of other modules are done, and ${stage.openMessages()} wait`);
  await sleep(Math.max(0, mendAt - performance.now()));
  const { bus, deadLetters } = await readBus(stage.servers.serviceBus);
  const checks = [
    {
      claim: "the module tripped, and one replica said so once",
      holds: isTripped && linesWith("tripped a module") === 1,
      found: `${linesWith("tripped a module")} lines`,
    },
    await saidByReadiness(context),
    await saidByRow(context),
    {
      claim: "messages of other modules were done while it was tripped",
      holds: othersDone === good.length,
      found: `${othersDone} of ${good.length}, after ${seconds} s`,
    },
    { claim: "all of its messages wait", holds: bus.length === size.messages, found: `${bus.length} wait` },
    noneDeadLettered(deadLetters, "while it was tripped"),
    waitedAtNoCost(bus),
    probedNowAndThen(context, performance.now() - trippedAt),
  ];
  await stage.loseImages([]);
  const mendedAt = performance.now();
  await until(() => linesWith("a module recovered") > 0);
  say(`recovered ${Math.round((performance.now() - mendedAt) / 1000)} s after it was mended`);
  return (records: Records) => [
    ...checks,
    {
      claim: "the module recovered by itself",
      holds: linesWith("a module recovered") > 0,
      found: `${linesWith("a module recovered")} lines`,
    },
    paidBy(records),
    noneDeadLettered(records.deadLetters, "in the end"),
  ];
}

async function saidByReadiness({ stage }: StormContext): Promise<Check> {
  const answers = await Promise.all(
    stage.replicas.map(async ({ port }) =>
      readiness.parse(await (await fetch(`http://127.0.0.1:${port}/api/health/ready`)).json()),
    ),
  );
  return {
    claim: "each replica says in /ready that the module is tripped and why, and is ready all the same",
    holds: answers.every(({ ready, tripped }) => ready && tripped[MODULE]?.includes(imageOf(MODULE)) === true),
    found: JSON.stringify(answers[0]?.tripped),
  };
}

async function saidByRow({ stage }: StormContext): Promise<Check> {
  const tripped = await readTripped(stage.servers);
  return {
    claim: "the row of the module, and no other, says that it is tripped",
    holds: tripped.length === 1 && tripped[0] === MODULE,
    found: `tripped: ${tripped.join(", ")}`,
  };
}

/**
 * Checks that waiting costs no deliveries. A message has one delivery, which deferred it. The few messages whose
 * attempt failed or was a probe were requeued, and have one more.
 */
function waitedAtNoCost(bus: readonly BusMessage[]): Check {
  const dear = bus.filter(({ deliveryCount = 0 }) => deliveryCount > 2).length;
  const limit = Math.max(PAYING + 1, Math.ceil(bus.length / 100));
  return {
    claim: `not more than ${limit} messages were delivered more than twice`,
    holds: dear <= limit,
    found: `${dear} were, ${mostDeliveries(bus)} times at most`,
  };
}

/**
 * Counts the probes that are due while a module is tripped so long: after one minute, then two more, then four more, at
 * last every ten.
 */
export function probesWithin(trippedMs: number): number {
  let probes = 0;
  for (let at = 1, wait = 2; at * 60_000 <= trippedMs; at += wait, wait = Math.min(2 * wait, 10)) probes += 1;
  return probes;
}

/** Checks the number of probes. The first is due after a minute, and the next tick makes it. */
function probedNowAndThen({ lines }: StormContext, trippedMs: number): Check {
  const probes = lines.linesWith("probing a tripped module");
  const least = Math.min(1, probesWithin(trippedMs - TICK_LATE_MS));
  const most = probesWithin(trippedMs + LOOK_LATE_MS);
  return {
    claim: `from ${least} to ${most} probes were made meanwhile`,
    holds: probes >= least && probes <= most,
    found: `${probes} probes`,
  };
}

function paidBy({ closed }: Records): Check {
  const paid = closed.filter(({ messageId, failures }) => failures > 0 && messageId.startsWith(`${KIND}-`)).length;
  return { claim: `at most ${PAYING} messages paid with an attempt`, holds: paid <= PAYING, found: `${paid} paid` };
}
