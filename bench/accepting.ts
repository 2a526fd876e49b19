import type { Deliveries } from "./deliveries.ts";
import { type Program, spentMs } from "./processes.ts";
import { makeSending } from "./sending.ts";

/** What messages cost that were sent at once. */
export interface Accepted {
  readonly perSecond: number;
  /** Processor ms of the programs for each message; NaN if the platform doesn't tell. */
  readonly cpuMs: number;
}

/** Running programs that messages are sent to: one, or the replicas of one. */
export interface Accepting {
  /**
   * Sends messages to a queue, and resolves when their deliveries are handled. Rejects if one of them ends otherwise
   * than as `outcome`, which is `dispatched` by default.
   */
  accept(queue: string, messages: number, outcome?: string): Promise<Accepted>;
  /** Ends the programs. Resolves to the most memory that one of them held in MiB; NaN if it did not tell. */
  stop(): Promise<number>;
}

/** Sends messages with this body to programs whose deliveries are counted together. */
export function makeAccepting(
  programs: readonly Program[],
  deliveries: Deliveries,
  { serviceBus, body }: { readonly serviceBus: string; readonly body: string },
): Accepting {
  const spent = () => spentMs(...programs.map(({ pid }) => pid));
  return {
    async accept(queue, messages, outcome = "dispatched") {
      const sending = makeSending(serviceBus, { queues: [queue], body });
      const [goal, ended] = [deliveries.count + messages, deliveries.countOf(outcome)];
      const [before, startedAt] = [await spent(), performance.now()];
      await sending.send(messages);
      await deliveries.until(goal);
      const [endedAt, after] = [performance.now(), await spent()];
      await sending.close();
      deliveries.require(outcome, messages, ended);
      return { perSecond: (messages * 1000) / (endedAt - startedAt), cpuMs: (after - before) / messages };
    },
    async stop() {
      let mostMib = 0;
      for (const program of programs) mostMib = Math.max(mostMib, (await program.stop()) ?? Number.NaN);
      return mostMib;
    },
  };
}
