import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { PROJECT_ROOT } from "./project-root.ts";

const state = z.object({
  pid: z.int(),
  /** Connection string of the bus. */
  serviceBus: z.string().optional(),
  fullyQualifiedNamespace: z.string().optional(),
  /** Names of the queues and topics that take messages. */
  entities: z.array(z.string()),
});

/** What `send` has to know of a running stack. */
export type StackState = z.output<typeof state>;

const FILE = join(PROJECT_ROOT, ".dispatcher", "stack.json");

/** Leaves word of this process's stack, readable by this user alone: it holds a connection string. */
export async function writeState(given: StackState, file = FILE): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await rm(file, { force: true });
  await writeFile(file, `${JSON.stringify(given, undefined, 2)}\n`, { mode: 0o600, flag: "wx" });
  await chmod(file, 0o600);
}

/** The stack that is running, or undefined: no word of one, or the process that left it is gone. */
export async function readState(file = FILE): Promise<StackState | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const parsed = state.safeParse(asJson(text));
  return parsed.success && isAlive(parsed.data.pid) ? parsed.data : undefined;
}

/** Removes the word of the stack that `pid` left, and no other's. */
export async function removeState(pid: number, file = FILE): Promise<void> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  const parsed = state.safeParse(text === undefined ? undefined : asJson(text));
  if (parsed.success && parsed.data.pid === pid) await rm(file, { force: true });
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process: alive, though not ours to signal.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
