import { z } from "zod";
import type { Azure } from "../azure.ts";
import { type Check, disproven, proven } from "../check.ts";
import { dispatcherPods, inPod } from "../cluster.ts";

const readiness = z.object({ ready: z.boolean(), settledElsewhere: z.string().optional() });
const ASK = 'console.log(await (await fetch("http://127.0.0.1:8080/api/health/ready")).text())';

export const ownLink: Check = {
  question: "Does the Functions host of the image settle a message on the link that brought it?",
  deed: "Asked each pod, after its first messages, whether it settles elsewhere.",
  minutes: 1,
  async run(azure) {
    const pods = await dispatcherPods(azure);
    const told = await Promise.all(pods.map(({ metadata }) => settledElsewhere(azure, metadata.name)));
    const [why] = told.flatMap((text) => text ?? []);
    return why === undefined
      ? proven(`All ${pods.length} pods settle on the link, by the host's own service.`)
      : disproven(`Messages are settled over the management link: ${why}`);
  },
};

async function settledElsewhere(azure: Azure, pod: string): Promise<string | undefined> {
  const text = await inPod(azure, pod, "node", "--input-type=module", "--eval", ASK);
  return readiness.parse(JSON.parse(text)).settledElsewhere;
}
