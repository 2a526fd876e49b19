import { EventEmitter, once } from "node:events";
import { z } from "zod";
import type { Processes } from "../processes.ts";
import { type Connections, startLook } from "../servers.ts";
import type { RedriveFigures } from "./redrive-letters.ts";

/** How long each call took of a view, and of the bare requests that it needs. */
export interface LookFigures {
  readonly what: string;
  readonly targetMs: number;
  readonly ms: readonly number[];
  readonly bareMs: readonly number[];
}

const CALL = z.object({ what: z.string(), targetMs: z.number(), ms: z.number(), bareMs: z.number() });

const REDRIVE = z.object({
  redrive: z.object({
    letters: z.number(),
    seconds: z.number(),
    bareSeconds: z.number(),
    cpuMs: z.number(),
    bareCpuMs: z.number(),
  }),
});

/**
 * Has a process of its own call each view so often, in turn with the bare requests, and then redrive so many dead letters.
 */
export async function measureLooks(
  processes: Processes,
  connections: Connections,
  { calls, closed, letters }: { readonly calls: number; readonly closed: number; readonly letters: number },
): Promise<{ readonly looks: LookFigures[]; readonly redrive: RedriveFigures | undefined }> {
  let redrive: RedriveFigures | undefined;
  const figures = new Map<string, { what: string; targetMs: number; ms: number[]; bareMs: number[] }>();
  const ended = new EventEmitter();
  const done = once(ended, "done");
  const look = await startLook(processes, connections, [calls, closed, letters].map(String), (line) => {
    if (line === `{"done":true}`) ended.emit("done");
    if (line.startsWith(`{"redrive"`)) ({ redrive } = REDRIVE.parse(JSON.parse(line)));
    if (!line.startsWith(`{"what"`)) return;
    const { what, targetMs, ms, bareMs } = CALL.parse(JSON.parse(line));
    const known = figures.get(what) ?? { what, targetMs, ms: [], bareMs: [] };
    figures.set(what, known);
    known.ms.push(ms);
    known.bareMs.push(bareMs);
  });
  await done;
  await look.stop();
  return { looks: [...figures.values()], redrive };
}
