import { EventEmitter, once } from "node:events";
import { z } from "zod";
import type { Processes } from "../processes.ts";
import { type Connections, startLook } from "../servers.ts";

/** How long each call took of a view, and of the bare requests that it needs. */
export interface LookFigures {
  readonly what: string;
  readonly targetMs: number;
  readonly ms: readonly number[];
  readonly bareMs: readonly number[];
}

const CALL = z.object({ what: z.string(), targetMs: z.number(), ms: z.number(), bareMs: z.number() });

/** Has a process of its own call each view so often, in turn with the bare requests. */
export async function measureLooks(
  processes: Processes,
  connections: Connections,
  { calls, closed }: { readonly calls: number; readonly closed: number },
): Promise<LookFigures[]> {
  const figures = new Map<string, { what: string; targetMs: number; ms: number[]; bareMs: number[] }>();
  const ended = new EventEmitter();
  const done = once(ended, "done");
  const look = await startLook(processes, connections, [String(calls), String(closed)], (line) => {
    if (line === `{"done":true}`) ended.emit("done");
    if (!line.startsWith(`{"what"`)) return;
    const { what, targetMs, ms, bareMs } = CALL.parse(JSON.parse(line));
    const known = figures.get(what) ?? { what, targetMs, ms: [], bareMs: [] };
    figures.set(what, known);
    known.ms.push(ms);
    known.bareMs.push(bareMs);
  });
  await done;
  await look.stop();
  return [...figures.values()];
}
