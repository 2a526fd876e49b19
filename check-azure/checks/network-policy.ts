import { type Check, disproven, notTried, proven } from "../check.ts";
import { dispatcherPods, inPod } from "../cluster.ts";

const REACHED = "reached";

export const networkPolicy: Check = {
  question: "Does the cluster's network enforce the chart's NetworkPolicy?",
  deed: "Asked the app for its health from its own pod, and from its other pod, which the policy forbids.",
  minutes: 1,
  async run(azure) {
    const [one, other] = await dispatcherPods(azure);
    if (one === undefined || other?.status.podIP === undefined) return notTried("There were no two pods.");
    const ask = async (address: string) =>
      (await inPod(azure, one.metadata.name, "node", "--input-type=module", "--eval", asking(address))) === REACHED;
    if (!(await ask("127.0.0.1"))) return notTried("The app did not answer in its own pod either.");
    return (await ask(other.status.podIP))
      ? disproven("The other pod was reached.")
      : proven("The other pod was not reached.");
  },
};

function asking(address: string): string {
  return `
    const url = "http://${address}:8080/api/health/live";
    const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) }).catch(() => undefined);
    console.log(answer?.ok ? "${REACHED}" : "not reached");
  `;
}
