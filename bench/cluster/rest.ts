import { cpuMs } from "../processes.ts";
import type { RealCluster } from "./real-cluster.ts";

/**
 * How many processor ms the control plane may use between two looks, which are about 10 s apart, and count as quiet. It
 * works on for minutes when all pods run, or when a namespace is deleted.
 */
const REST_MS = 500;
/** After how many looks the bench stops waiting for quiet. The processor times in the report show that. */
const MOST_LOOKS = 60;
/** The processes that work by themselves. The others of the control plane work only when asked. */
const OWN_WORK = ["kube-controller-manager", "kube-scheduler", "kwok"];

/** Resolves when the control plane was quiet between two looks. `pass` passes the time between them. */
export async function untilAtRest(
  { pids }: Pick<RealCluster, "pids">,
  pass: () => Promise<unknown>,
  progress: (what: string) => void,
): Promise<void> {
  progress("waiting until the control plane is at rest");
  const worked = async () => {
    const spent = await Promise.all(OWN_WORK.map((name) => cpuMs(pids[name] ?? 0)));
    return spent.reduce<number>((sum, ms) => sum + (ms ?? 0), 0);
  };
  for (let look = 0; look < MOST_LOOKS; look += 1) {
    const before = await worked();
    await pass();
    if ((await worked()) - before < REST_MS) return;
  }
  progress(`the control plane was not at rest after ${MOST_LOOKS} looks; measuring all the same`);
}
