import type { Azure } from "../azure.ts";
import { type Check, disproven, notTried, proven } from "../check.ts";
import { SOURCES } from "../check-values.ts";
import { jobPods, workNodes } from "../cluster.ts";
import { CommandError } from "../command.ts";

/** So many Jobs, of which a node has room for one, so long that they outlast a deployment. */
const JOBS = 3;
const SECONDS = 1_200;
const SCALE_OUT_MINUTES = 15;

export const upgrade: Check = {
  question: "Does a second deployment leave the nodes that the autoscaler added, and the Jobs on them?",
  deed: "Started Jobs until the pool had more nodes, deployed again, and waited for the Jobs.",
  minutes: 35,
  async run(azure) {
    const few = await workNodes(azure);
    const bodies = Array.from({ length: JOBS }, (_, index) => ({
      messageId: `long-${index}`,
      body: Buffer.from(String(SECONDS)),
    }));
    await azure.bus.send(SOURCES.long, bodies);
    const hasGrown = await azure.until(
      async () => (await running(azure)).length === JOBS && (await workNodes(azure)).length > few.length,
      SCALE_OUT_MINUTES,
    );
    if (!hasGrown)
      return notTried(
        `The pool had no more nodes than ${few.length}, or not all Jobs ran, after ${SCALE_OUT_MINUTES} minutes.`,
      );
    const nodes = await workNodes(azure);
    const pods = await running(azure);
    try {
      await azure.deploy();
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      return disproven(`The second deployment failed. ${error.message}`);
    }
    const after = new Set(await workNodes(azure));
    const lost = nodes.filter((node) => !after.has(node));
    const isOver = await azure.until(async () => (await azure.bus.peek(SOURCES.long)).length === 0, SECONDS / 30);
    const others = (await jobPods(azure, "long")).filter(({ metadata }) => !pods.includes(metadata.uid));
    const letters = await azure.bus.peek(SOURCES.long, { deadLetters: true });
    const what = `Of ${nodes.length} nodes ${lost.length} were gone after it. ${others.length} Jobs needed another pod, ${letters.length} failed.`;
    if (!isOver) return disproven(`${what} Not all messages were settled.`);
    return lost.length + others.length + letters.length === 0 ? proven(what) : disproven(what);
  },
};

/** The uids of the pods that run. */
async function running(azure: Azure): Promise<string[]> {
  const pods = await jobPods(azure, "long");
  return pods.filter(({ status }) => status.phase === "Running").map(({ metadata }) => metadata.uid);
}
