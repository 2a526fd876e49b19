import type { Azure } from "../azure.ts";
import { type Check, disproven, notTried, proven } from "../check.ts";
import { DISPATCHER, dispatcherPods } from "../cluster.ts";

/** Another replica takes over within 40 s, and the last tick may have been 10 s before the kill. */
const PROMISED_SECONDS = 50;
const PATIENCE_MINUTES = 10;

export const ticksGoOn: Check = {
  question: `If the replica that ticks is killed, does another one tick within ${PROMISED_SECONDS} s of the last tick?`,
  deed: "Killed the pod that ticked, without a time to end, and waited for the next tick of another pod.",
  minutes: 2,
  async run(azure) {
    const pods = await podNames(azure);
    const ticking = (await ticksOf(azure, pods)).at(-1);
    if (ticking === undefined || pods.length < 2) return notTried("There were no two pods of which one ticks.");
    await azure.kubectl("delete", "pod", ticking.pod, ...DISPATCHER, "--grace-period=0", "--force");
    let next: Tick | undefined;
    await azure.until(async () => {
      const others = (await podNames(azure)).filter((name) => name !== ticking.pod);
      // Compares the lines with each other, because the clock of this machine may be another.
      next = (await ticksOf(azure, others)).find(({ at }) => at > ticking.at);
      return next !== undefined;
    }, PATIENCE_MINUTES);
    if (next === undefined) return disproven(`No pod ticked for ${PATIENCE_MINUTES} minutes.`);
    const seconds = Math.round((next.at - ticking.at) / 1_000);
    const what = `There were ${seconds} s from the last tick of the one to the first of the other.`;
    return seconds <= PROMISED_SECONDS ? proven(what) : disproven(what);
  },
};

interface Tick {
  readonly pod: string;
  /** When its line was written, in ms since 1970. */
  readonly at: number;
}

async function podNames(azure: Azure): Promise<string[]> {
  return (await dispatcherPods(azure)).map(({ metadata }) => metadata.name);
}

/** Finds the latest ticks of these pods, in order of time. */
async function ticksOf({ kubectl }: Azure, pods: readonly string[]): Promise<Tick[]> {
  const ticks = pods.map(async (pod) => {
    // A pod that has not started yet has no log.
    const log = await kubectl("logs", pod, ...DISPATCHER, "--timestamps", "--tail", "500").catch(() => "");
    const lines = log.split("\n").filter((line) => line.includes('"message":"reconciled"'));
    return lines.map((line) => ({ pod, at: Date.parse(line.split(" ")[0] ?? "") }));
  });
  return (await Promise.all(ticks)).flat().toSorted((a, b) => a.at - b.at);
}
