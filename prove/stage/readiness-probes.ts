import { setTimeout as sleep } from "node:timers/promises";
import type { ReplicaProcess } from "./replica-process.ts";

const EVERY_MS = 1_000;
const TIMEOUT_MS = 2_000;

/**
 * Asks each replica whether it is ready, as a kubelet does, until `stop`. A replica makes some of its calls only to
 * answer this.
 */
export function startReadinessProbes(replicas: readonly Pick<ReplicaProcess, "isUp" | "port">[]): {
  stop(): Promise<void>;
} {
  const over = new AbortController();
  const probing = Promise.all(
    replicas.map(async (replica) => {
      while (!over.signal.aborted) {
        if (replica.isUp) await ask(replica.port);
        await sleep(EVERY_MS);
      }
    }),
  );
  return {
    async stop() {
      over.abort();
      await probing;
    },
  };
}

/** Asks once and ignores the answer. A replica that was killed or frozen meanwhile gives none. */
async function ask(port: number): Promise<void> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  await fetch(`http://127.0.0.1:${port}/api/health/ready`, { signal })
    .then((answer) => answer.arrayBuffer())
    .catch(() => {});
}
