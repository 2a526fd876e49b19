import { setTimeout as sleep } from "node:timers/promises";
import { ServiceBusClient } from "@azure/service-bus";
import { untilAtRest } from "../audit/at-rest.ts";
import { audit, type Finding, type Records } from "../audit/audit.ts";
import { readRecords } from "../audit/read-records.ts";
import { factsOf, isFirstCall } from "../faults/edges.ts";
import { type FaultCounts, faultName } from "../faults/fault.ts";
import { FaultInjector } from "../faults/fault-injector.ts";
import { type CallFault, NO_FAULTS, type Outage, type Plan } from "../faults/plan.ts";
import { moreMessages, type PlannedMessage } from "../stage/kinds.ts";
import { startReadinessProbes } from "../stage/readiness-probes.ts";
import { makeSender } from "../stage/sender.ts";
import { type Stage, type StageOptions, startStage } from "../stage/stage.ts";

export interface ProofOptions {
  readonly plan: Plan;
  readonly messages: readonly PlannedMessage[];
  readonly replicas: number;
  readonly lockMs: number;
  readonly apps: StageOptions["apps"];
  readonly patienceMs: number;
  /**
   * How long faults go on, from the start. Without it, until the demanded ones have happened and no other has for a
   * while. Demanded ones may take longer.
   */
  readonly faultsMs?: number;
  /** Takes each line of every process, and a line for each fault. */
  readonly onLine: (who: string, line: string) => void;
  readonly onProgress: (text: string) => void;
}

export interface ProofResult {
  readonly records: Records;
  readonly findings: readonly Finding[];
  readonly faultCounts: FaultCounts;
  /** The faults that never met their calls, without those that waited for the demanded ones. */
  readonly left: readonly CallFault[];
  /** How many random kills and freezes never happened. */
  readonly randomFaultsLeft: number;
  /** The outages that never happened. */
  readonly outagesLeft: readonly Outage[];
  /** The replicas' calls that `edges.ts` does not list. */
  readonly unknown: readonly string[];
  /** What each replica has to do, and did not, because it was not up or did no work. */
  readonly idle: readonly string[];
  readonly kills: number;
  readonly freezes: number;
  readonly outages: readonly Outage[];
  /** The last words of replicas that ended by themselves. */
  readonly deaths: readonly string[];
  readonly seconds: number;
}

/**
 * How many messages are open at once: enough to keep every replica at work, and few enough that each message has its
 * turn soon.
 */
const WINDOW = 300;
/** With more messages than this, most of the time would go to Azurite, which reads all rows for each query. */
const MANY_MESSAGES = 1_000;
/**
 * How many messages the sender may be ahead of the faults. A small number of messages has to last until the faults have
 * happened.
 */
const LEAD = 30;
/** A host runs sixteen calls at once. So a link is closed once four deliveries were left on it. */
const MAX_UNSETTLED = 20;
const LOOK_MS = 50;
/** If no planned fault has happened for so long, the proof sends more messages or kills a replica. */
const STUCK_MS = 4_000;
/**
 * A replica is killed only after so long if the awaited calls are those of a first tick. A tick has to come to its end:
 * the lease of the replica that ticked has to be over, and another one has to tick.
 */
const STUCK_TICKS_MS = 30_000;
/** How often one more message of each kind is sent, because some fault still waits for its call. */
const MOST_ROUNDS = 30;
/**
 * With fewer open messages than this, more are sent. Otherwise the last few would meet fault upon fault: each would be
 * found busy, and be left for twice as long, again and again.
 */
const FEW = 20;
/** How long a replica may take, once the faults are over, to be up, and then to make a call. */
const UP_MS = 60_000;
/** If all messages are sent, and no planned fault has happened for so long, the proof stops waiting. */
const GIVE_UP_MS = 180_000;

/** Sends the messages while the plan is carried out, waits until everything is at rest, and audits the records. */
export async function runProof(options: ProofOptions): Promise<ProofResult> {
  const startedAt = performance.now();
  const deaths: string[] = [];
  let injector = new FaultInjector(NO_FAULTS, []);
  const stage = await startStage({
    ...options,
    maxUnsettled: MAX_UNSETTLED,
    hasManyRows: options.messages.length > MANY_MESSAGES,
    handler: () => injector,
    onDeath: (words) => deaths.push(words),
  });
  try {
    injector = new FaultInjector(options.plan, stage.replicas, (line) => options.onLine("proof", line));
    const { sent, outages, outagesLeft } = await carryOut(options, stage, injector, startedAt);
    injector.end();
    let said = "";
    const { records, findings } = await untilAtRest(
      async () => {
        const records = await readRecords(stage.servers, sent);
        return { records, findings: audit(records) };
      },
      {
        patienceMs: options.patienceMs,
        onMoving: ([first, ...others]) => {
          const words = `not at rest yet, ${others.length + 1} left, such as ${first?.about}: ${first?.what}`;
          if (words !== said) options.onProgress(words);
          said = words;
        },
      },
    );
    const idle = await idleReplicas(stage, injector);
    return {
      records,
      findings: [...findings, ...(await stage.leaks())],
      faultCounts: injector.callFaults.counts,
      left: injector.callFaults.left.filter((fault) => options.plan.callFaults.includes(fault)),
      randomFaultsLeft: injector.randomFaultsLeft,
      outagesLeft,
      unknown: injector.unknown,
      idle,
      kills: injector.kills,
      freezes: injector.freezes,
      outages,
      deaths,
      seconds: (performance.now() - startedAt) / 1000,
    };
  } finally {
    await stage.close();
  }
}

/**
 * Lists what the replicas have to do, and did not. A replica that can't start any more, or does nothing, would leave
 * its part to the others, and the proof would say nothing about it.
 */
async function idleReplicas(stage: Stage, { accepting, atWork }: FaultInjector): Promise<string[]> {
  const { replicas } = stage;
  const down = await stage.whyDown(UP_MS);
  const deadline = performance.now() + UP_MS;
  while (replicas.some(({ isUp }, index) => isUp && !atWork.has(index)) && performance.now() < deadline)
    await sleep(LOOK_MS);
  return [
    ...down.map((why) => `every replica up in the end (${why})`),
    ...replicas.flatMap(({ name }, index) => [
      ...(accepting.has(index) ? [] : [`a message that ${name} accepts`]),
      ...(atWork.has(index) ? [] : [`a call of ${name} that works after the faults`]),
    ]),
  ];
}

/**
 * Sends the messages and carries out the plan. Then it sends more messages, for the faults that still wait for their
 * calls.
 */
async function carryOut(
  options: ProofOptions,
  stage: Stage,
  injector: FaultInjector,
  startedAt: number,
): Promise<{ readonly sent: readonly PlannedMessage[] } & Pick<ProofResult, "outages" | "outagesLeft">> {
  const client = new ServiceBusClient(stage.servers.serviceBus);
  const send = makeSender(client);
  const probes = startReadinessProbes(stage.replicas);
  const { callFaults } = injector;
  const outagesLeft = [...options.plan.outages];
  const outages: Outage[] = [];
  let away: Promise<void> | undefined;
  const sent: PlannedMessage[] = [];
  let saidAt = 0;

  const isTimeLeft = () => performance.now() - startedAt < (options.faultsMs ?? 0);
  const awaited = () => (isTimeLeft() ? callFaults.left : callFaults.owed);

  const look = () => {
    injector.injectRandomFaults(sent.length);
    const [next] = outagesLeft;
    if (next && next.sent <= sent.length && away === undefined) {
      outagesLeft.shift();
      outages.push(next);
      options.onLine("proof", `the ${next.server} ${next.how} for ${next.ms} ms`);
      away = stage.takeAway(next).finally(() => {
        away = undefined;
      });
    }
    const firstCalls = awaited().flatMap(({ edge }) => factsOf(edge).first ?? []);
    const stuckMs = firstCalls.includes("start") ? STUCK_MS : STUCK_TICKS_MS;
    if (firstCalls.length > 0 && injector.quietMs > stuckMs) injector.nudge();
    if (performance.now() - saidAt < 5_000) return;
    saidAt = performance.now();
    const { owed } = callFaults;
    const last = owed.length > 3 ? "" : owed.map(({ edge, fault }) => ` (${faultName(fault)}: ${edge})`).join("");
    const up = stage.replicas.filter(({ isUp }) => isUp).length;
    options.onProgress(
      [
        `sent ${sent.length}`,
        `open ${stage.openMessages()}`,
        `call faults left ${callFaults.left.length}`,
        `demanded ones left ${owed.length}${last}`,
        `random faults left ${injector.randomFaultsLeft}`,
        `kills ${injector.kills}`,
        `freezes ${injector.freezes}`,
        `replicas up ${up}`,
      ].join(", "),
    );
  };
  const mayGoOn = () =>
    away === undefined &&
    stage.openMessages() < WINDOW &&
    (sent.length >= options.messages.length ||
      sent.length < options.messages.length * callFaults.progress + LEAD ||
      callFaults.idleMs > STUCK_MS);

  try {
    const sendAll = async (messages: readonly PlannedMessage[]) => {
      for (const message of messages) {
        while (!mayGoOn()) {
          look();
          await sleep(LOOK_MS);
        }
        await send(message);
        sent.push(message);
        look();
      }
    };
    await sendAll(options.messages);
    const allSentAt = performance.now();
    // A proof without a time of its own does not wait for faults that are not demanded.
    const isThrough = () =>
      callFaults.left.length === 0 ||
      (callFaults.owed.length === 0 && (options.faultsMs === undefined ? callFaults.idleMs > STUCK_MS : !isTimeLeft()));
    const isDone = () =>
      away === undefined && outagesLeft.length === 0 && injector.randomFaultsLeft === 0 && isThrough();
    let rounds = 0;
    let lastRoundAt = 0;
    const wantsMore = () =>
      rounds < MOST_ROUNDS &&
      performance.now() - lastRoundAt > STUCK_MS &&
      (callFaults.idleMs > STUCK_MS || stage.openMessages() < FEW) &&
      awaited().some(({ edge }) => !isFirstCall(edge));
    while (!isDone() && Math.min(callFaults.idleMs, performance.now() - allSentAt) < GIVE_UP_MS) {
      look();
      await sleep(LOOK_MS);
      if (!wantsMore()) continue;
      rounds += 1;
      lastRoundAt = performance.now();
      await sendAll(moreMessages(sent.length));
    }
    await away;
    return { sent, outages, outagesLeft };
  } finally {
    await probes.stop();
    await client.close();
  }
}
