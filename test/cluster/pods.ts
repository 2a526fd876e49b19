import { PassThrough } from "node:stream";
import { CoreV1Api, Exec, type KubeConfig, type V1Pod } from "@kubernetes/client-node";
import { expect, vi } from "vitest";

const PATIENCE = { timeout: 90_000, interval: 100 };

/** The namespace of pods, and the client that reaches them. */
export interface Place {
  readonly admin: KubeConfig;
  readonly namespace: string;
}

export async function podsOf({ admin, namespace }: Place, jobName: string): Promise<V1Pod[]> {
  const labelSelector = `batch.kubernetes.io/job-name=${jobName}`;
  return (await admin.makeApiClient(CoreV1Api).listNamespacedPod({ namespace, labelSelector })).items;
}

/** The Job's one pod, once `isSuch` is true for it. */
export function onePod(place: Place, jobName: string, isSuch: (pod: V1Pod) => boolean): Promise<V1Pod> {
  return vi.waitFor(async () => {
    const [pod, ...others] = (await podsOf(place, jobName)).filter(
      ({ metadata }) => metadata?.deletionTimestamp === undefined,
    );
    expect(others).toEqual([]);
    if (!pod || !isSuch(pod)) throw new Error(`the pod of ${jobName} is ${JSON.stringify(pod?.status)}`);
    return pod;
  }, PATIENCE);
}

/** The name of the Job's pod once its first container runs the work. */
export async function runningPod(place: Place, jobName: string): Promise<string> {
  const pod = await onePod(place, jobName, ({ status }) =>
    Boolean(status?.containerStatuses?.some(({ state }) => state?.running !== undefined)),
  );
  return pod.metadata?.name ?? "";
}

/** A shell script that works until `letGo`, and then succeeds. If it is told to end, it fails at once. */
export const UNTIL_LET_GO =
  "trap 'exit 143' TERM; echo at work; until [ -e /tmp/go ]; do sleep 0.2 & wait $!; done; echo done";

/** Ends the work of a container that runs `UNTIL_LET_GO`. */
export async function letGo(place: Place, podName: string, container = "worker"): Promise<void> {
  try {
    await touch(place, podName, container);
  } catch (error) {
    // The work may see the file and end its container, and `touch` with it, before `touch` has ended.
    if (!(await hasSucceeded(place, podName, container))) throw error;
  }
}

async function touch({ admin, namespace }: Place, podName: string, container: string): Promise<void> {
  const said = new PassThrough();
  await new Promise<void>((resolve, reject) => {
    const onStatus = ({ status, message }: { status?: string; message?: string }) =>
      status === "Success" ? resolve() : reject(new Error(message));
    new Exec(admin)
      .exec(namespace, podName, container, ["touch", "/tmp/go"], said, said, null, false, onStatus)
      .catch(reject);
  });
}

async function hasSucceeded({ admin, namespace }: Place, podName: string, container: string): Promise<boolean> {
  const core = admin.makeApiClient(CoreV1Api);
  return await vi
    .waitFor(async () => {
      const { status } = await core.readNamespacedPod({ name: podName, namespace });
      const ended = status?.containerStatuses?.find(({ name }) => name === container)?.state?.terminated;
      if (!ended) throw new Error(`the container ${container} of ${podName} is ${JSON.stringify(status)}`);
      return ended.exitCode === 0;
    }, PATIENCE)
    .catch(() => false);
}
