import { z } from "zod";
import type { Azure } from "./azure.ts";

const pods = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), uid: z.string(), deletionTimestamp: z.string().optional() }),
      spec: z.object({ nodeName: z.string().optional() }),
      status: z.object({
        phase: z.string().optional(),
        podIP: z.string().optional(),
        containerStatuses: z.array(z.object({ ready: z.boolean(), restartCount: z.int() })).optional(),
      }),
    }),
  ),
});

/** A pod, as far as the checks look at it. */
export type Pod = z.output<typeof pods>["items"][number];

/** The namespace of the Dispatcher, and the labels of its pods, as infra/deploy.sh and the chart name them. */
export const DISPATCHER = ["--namespace", "dispatcher"] as const;
const DISPATCHER_PODS = [...DISPATCHER, "--selector", "app.kubernetes.io/name=dispatcher"] as const;

/** Lists the Dispatcher's pods that are not about to end. */
export async function dispatcherPods({ kubectl }: Azure): Promise<Pod[]> {
  return podsIn(await kubectl("get", "pods", ...DISPATCHER_PODS, "--output", "json"));
}

/** Lists the pods of a module's Jobs. */
export async function jobPods({ kubectl }: Azure, module: string): Promise<Pod[]> {
  const selector = ["--namespace", "jobs", "--selector", `ion/module=${module}`];
  return podsIn(await kubectl("get", "pods", ...selector, "--output", "json"));
}

function podsIn(json: string): Pod[] {
  return pods.parse(JSON.parse(json)).items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

/** Lists the names of the nodes in the pool for the Jobs. */
export async function workNodes({ kubectl }: Azure): Promise<string[]> {
  const names = await kubectl("get", "nodes", "--selector", "agentpool=work", "--output", "name");
  return names.split("\n").filter(Boolean);
}

/** Reads which KEDA runs, such as 2.17.2, from the tag of its operator's image. */
export async function kedaVersion({ kubectl }: Azure): Promise<string> {
  const query = ["--output", "jsonpath={.spec.template.spec.containers[0].image}"];
  const image = await kubectl("get", "deployment", "keda-operator", "--namespace", "kube-system", ...query);
  return /:v?(\d+\.\d+\.\d+)/.exec(image)?.[1] ?? image;
}

/** Runs a program of Node's in a pod of the Dispatcher. Resolves to what it printed. */
export function inPod({ kubectl }: Azure, pod: string, ...command: readonly string[]): Promise<string> {
  return kubectl("exec", ...DISPATCHER, pod, "--", ...command);
}
