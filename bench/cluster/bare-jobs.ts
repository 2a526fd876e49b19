import type { BareCluster } from "../../local/kit/cluster-access.ts";
import type { Module } from "../../shared/modules/module.ts";
import { jobOf, runOf } from "../sample-run.ts";
import { completedJobs, exitedJobs } from "./settlements.ts";

/** Jobs without messages. */
export interface BareJobs {
  /**
   * Creates the Job that the Dispatcher would make of a message. Resolves when the cluster calls it complete, to when it
   * told that the pod had succeeded, in ms since 1970; undefined if it had not told by then.
   */
  run(messageId: string, body: string): Promise<number | undefined>;
  stop(): void;
}

/** Watches the Jobs and the pods of a namespace, so that bare ones of a module can be run there. */
export async function bareJobs(
  { admin, namespace }: { readonly admin: BareCluster; readonly namespace: string },
  module: Module,
): Promise<BareJobs> {
  const waiting = new Map<string, () => void>();
  const podSucceededAt = new Map<string, number>();
  const watches = [
    await admin.watchJobs((line) => {
      for (const name of completedJobs(line)) waiting.get(name)?.();
    }),
    await admin.watchPods((line) => {
      for (const name of exitedJobs(line)) if (!podSucceededAt.has(name)) podSucceededAt.set(name, Date.now());
    }, "Succeeded"),
  ];
  let sequenceNumber = 0;
  return {
    async run(messageId, body) {
      sequenceNumber += 1;
      const run = runOf(module, { sequenceNumber, enqueuedAt: Date.now(), messageId });
      const job = jobOf(run, module, namespace, body);
      const name = job.metadata?.name ?? "";
      const complete = new Promise<void>((resolve) => waiting.set(name, resolve));
      await admin.createJob(JSON.stringify(job));
      await complete;
      return podSucceededAt.get(name);
    },
    stop() {
      for (const watch of watches) watch.stop();
    },
  };
}
