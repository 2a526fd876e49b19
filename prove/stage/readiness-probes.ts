import { setTimeout as sleep } from "node:timers/promises";

/** A Dispatcher that can be asked whether it is ready. */
export interface Probed {
  readonly isUp: boolean;
  readonly port: number;
}

const EVERY_MS = 1_000;
const TIMEOUT_MS = 2_000;

/** Asks each Dispatcher whether it is ready, as a kubelet does, until `stop`: some of its calls are made for that answer alone. */
export function startReadinessProbes(dispatchers: readonly Probed[]): { stop(): Promise<void> } {
  const over = new AbortController();
  const probe = async (dispatcher: Probed): Promise<void> => {
    while (!over.signal.aborted) {
      if (dispatcher.isUp) await ask(dispatcher.port);
      await sleep(EVERY_MS);
    }
  };
  const probing = Promise.all(dispatchers.map(probe));
  return {
    async stop() {
      over.abort();
      await probing;
    },
  };
}

/** What it answers is no matter here, nor whether it can: it may be killed or asleep by now. */
async function ask(port: number): Promise<void> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  await fetch(`http://127.0.0.1:${port}/api/health/ready`, { signal })
    .then((answer) => answer.arrayBuffer())
    .catch(() => {});
}
