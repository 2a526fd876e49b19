import type { BareCluster } from "../../local/kit/cluster-access.ts";
import type { Module } from "../../shared/modules/module.ts";
import { jobOf, runOf } from "../sample-run.ts";
import { completedJobs } from "./settlements.ts";

/** Jobs without messages. */
export interface BareJobs {
  /** Creates the Job that the Dispatcher would make of a message. Resolves when the cluster calls it complete. */
  run(messageId: string, body: string): Promise<void>;
  stop(): void;
}

/** Watches the Jobs of a namespace, so that bare ones of a module can be run there. */
export async function bareJobs(
  { admin, namespace }: { readonly admin: BareCluster; readonly namespace: string },
  module: Module,
): Promise<BareJobs> {
  const waiting = new Map<string, () => void>();
  const watching = await admin.watchJobs((line) => {
    for (const name of completedJobs(line)) waiting.get(name)?.();
  });
  let sequenceNumber = 0;
  return {
    async run(messageId, body) {
      sequenceNumber += 1;
      const run = runOf(module, { sequenceNumber, enqueuedAt: Date.now(), messageId });
      const job = jobOf(run, module, namespace, body);
      const complete = new Promise<void>((resolve) => waiting.set(job.metadata?.name ?? "", resolve));
      await admin.createJob(JSON.stringify(job));
      await complete;
    },
    stop: () => watching.stop(),
  };
}
