import { setTimeout as sleep } from "node:timers/promises";
import { ServiceBusClient } from "@azure/service-bus";
import { audit, type Books, type Finding } from "../audit/audit.ts";
import { readBooks } from "../audit/books.ts";
import { Director, type Done, deedName } from "../faults/director.ts";
import { isFirstCall } from "../faults/edges.ts";
import type { Fault, Outage, Plan } from "../faults/plan.ts";
import { moreMessages, type Planned } from "../stage/kinds.ts";
import { startReadinessProbes } from "../stage/readiness-probes.ts";
import { makeSender } from "../stage/sender.ts";
import { type Stage, startStage } from "../stage/stage.ts";

export interface ProofOptions {
  readonly plan: Plan;
  readonly messages: readonly Planned[];
  readonly processes: number;
  readonly lockMs: number;
  readonly app: string;
  readonly patienceMs: number;
  /** Each line of every process, and each thing that is done to them. */
  readonly onLine: (who: string, line: string) => void;
  readonly onProgress: (text: string) => void;
}

export interface ProofResult {
  readonly books: Books;
  readonly findings: readonly Finding[];
  readonly done: Done;
  /** Planned faults that never came about. */
  readonly left: readonly Fault[];
  /** Kills and freezes at random, and outages, that never came about. */
  readonly blowsLeft: number;
  readonly outagesLeft: readonly Outage[];
  /** Calls of the Dispatchers that the proof has no name for. */
  readonly unknown: readonly string[];
  readonly kills: number;
  readonly freezes: number;
  readonly outages: readonly Outage[];
  /** Dispatchers that ended though nobody killed them: their last words. */
  readonly deaths: readonly string[];
  readonly seconds: number;
}

/** Open messages at once: enough to keep every process at work, few enough that each has its turn soon. */
const WINDOW = 300;
/** Where little is sent, the messages have to last until the faults are through. */
const LEAD = 30;
const LOOK_MS = 50;
/** Nothing planned has come about for so long: something has to give. */
const STUCK_MS = 4_000;
/** So often one more message of each kind is sent, where some fault has not met its call yet. */
const MOST_ROUNDS = 30;
const GIVE_UP_MS = 60_000;

/** Sends the messages while the plan is carried out, waits until everything is at rest, and reads the books. */
export async function runProof(options: ProofOptions): Promise<ProofResult> {
  const startedAt = performance.now();
  const deaths: string[] = [];
  let director = new Director({ faults: [], blows: [], outages: [] }, []);
  const stage = await startStage({
    ...options,
    director: () => director,
    onDeath: (words) => deaths.push(words),
  });
  try {
    director = new Director(options.plan, stage.dispatchers, (line) => options.onLine("proof", line));
    const { sent, outages, outagesLeft } = await perform(options, stage, director);
    director.end();
    const { books, findings } = await untilAtRest(options, stage, sent);
    return {
      books,
      findings,
      done: director.done,
      left: director.left,
      blowsLeft: director.blowsLeft,
      outagesLeft,
      unknown: director.unknown,
      kills: director.kills,
      freezes: director.freezes,
      outages,
      deaths,
      seconds: (performance.now() - startedAt) / 1000,
    };
  } finally {
    await stage.close();
  }
}

/** Sends, and strikes, until all is sent and done. What is sent last is there for the faults that have not met their call yet. */
async function perform(
  options: ProofOptions,
  stage: Stage,
  director: Director,
): Promise<{ readonly sent: readonly Planned[] } & Pick<ProofResult, "outages" | "outagesLeft">> {
  const client = new ServiceBusClient(stage.servers.serviceBus);
  const send = makeSender(client);
  const probes = startReadinessProbes(stage.dispatchers);
  const waiting = [...options.plan.outages];
  const held: Outage[] = [];
  let away: Promise<void> | undefined;
  const sent: Planned[] = [];
  let saidAt = 0;

  const look = () => {
    director.strike(sent.length);
    const [next] = waiting;
    if (next && next.sent <= sent.length && away === undefined) {
      waiting.shift();
      held.push(next);
      options.onLine("proof", `the ${next.server} ${next.how} for ${next.ms} ms`);
      away = stage.away(next).finally(() => {
        away = undefined;
      });
    }
    if (director.quietMs > STUCK_MS && director.owed.some(({ edge }) => isFirstCall(edge))) director.nudge();
    if (performance.now() - saidAt < 5_000) return;
    saidAt = performance.now();
    const { owed } = director;
    const last = owed.length > 3 ? "" : owed.map(({ edge, deed }) => ` (${deedName(deed)}: ${edge})`).join("");
    const up = stage.dispatchers.filter(({ isUp }) => isUp).length;
    options.onProgress(
      `sent ${sent.length}, open ${stage.openMessages()}, faults owed ${owed.length}${last} of ${director.left.length} left, random ones ${director.blowsLeft}, killed ${director.kills}, frozen ${director.freezes}, up ${up}`,
    );
  };
  const mayGoOn = () =>
    away === undefined &&
    stage.openMessages() < WINDOW &&
    (sent.length >= options.messages.length ||
      sent.length < options.messages.length * director.progress + LEAD ||
      director.idleMs > STUCK_MS);

  try {
    const sendAll = async (messages: readonly Planned[]) => {
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
    // Those that a proof can do without are not waited for.
    const isThrough = () => director.left.length === 0 || (director.owed.length === 0 && director.idleMs > STUCK_MS);
    const isDone = () => away === undefined && waiting.length === 0 && director.blowsLeft === 0 && isThrough();
    let rounds = 0;
    let lastRoundAt = 0;
    const wantsMore = () =>
      rounds < MOST_ROUNDS &&
      Math.min(director.idleMs, performance.now() - lastRoundAt) > STUCK_MS &&
      director.owed.some(({ edge }) => !isFirstCall(edge));
    while (!isDone() && director.idleMs < GIVE_UP_MS) {
      look();
      await sleep(LOOK_MS);
      if (!wantsMore()) continue;
      rounds += 1;
      lastRoundAt = performance.now();
      await sendAll(moreMessages(sent.length));
    }
    await away;
    return { sent, outages: held, outagesLeft: waiting };
  } finally {
    await probes.stop();
    await client.close();
  }
}

/** Reads the books again and again until nothing in them is on its way any more, or the patience is over. */
async function untilAtRest(
  options: ProofOptions,
  stage: Stage,
  sent: readonly Planned[],
): Promise<{ readonly books: Books; readonly findings: readonly Finding[] }> {
  const deadline = performance.now() + options.patienceMs;
  let last = "";
  for (;;) {
    const books = await readBooks(stage.servers, sent);
    const findings = audit(books);
    const moving = findings.filter(({ verdict }) => verdict === "open" || verdict === "orphan");
    if (moving.length === 0 || performance.now() > deadline)
      return { books, findings: [...findings, ...(await stage.leaks())] };
    const said = `not at rest yet: ${moving.length}, such as ${moving[0]?.about}: ${moving[0]?.what}`;
    if (said !== last) options.onProgress(said);
    last = said;
    await sleep(1_000);
  }
}
