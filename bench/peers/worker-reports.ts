import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { listen } from "../../local/kit/listen.ts";

const report = z.object({ id: z.string(), startedAt: z.number(), endedAt: z.number() });

/** What one worker says of itself: when it started and ended, in ms since 1970. */
export type WorkerReport = Omit<z.output<typeof report>, "id">;

/** The server that takes the reports of the workers. */
export interface WorkerReports {
  /** The URL to report to. */
  readonly url: string;
  /** The reports of the workers that had this message, in the order of their ends. */
  of(id: string): readonly WorkerReport[];
  /** How many workers have found no message so far. */
  idle(): number;
  close(): Promise<void>;
}

/** Starts it at an address that pods reach. */
export async function startWorkerReports(address: string): Promise<WorkerReports> {
  const found = new Map<string, WorkerReport[]>();
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const { id, ...said } = report.parse(JSON.parse(body));
      found.set(id, [...(found.get(id) ?? []), said]);
      response.end();
    });
  });
  const { port, close } = await listen(server, { address });
  return {
    url: `http://${address}:${port}/`,
    of: (id) => found.get(id) ?? [],
    idle: () => found.get("")?.length ?? 0,
    close: () => close(),
  };
}
