import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { PROJECT_ROOT } from "../../shared/project-root.ts";
import { Refusal } from "../refusal.ts";

const state = z.object({
  pid: z.int(),
  /** The URL of the app. */
  app: z.url(),
  /** The settings of the app: how to reach bus, storage and cluster, and where the modules are. */
  settings: z.record(z.string(), z.string()),
  /** The names of the queues and topics that take messages. */
  entities: z.array(z.string()),
});

/** What a command has to know about a running stack. */
export type StackState = z.output<typeof state>;

const ANSWER_TIMEOUT_MS = 5_000;
/** How long the app of a stack may be away, because it loads changed modules. */
const RELOAD_MS = 10_000;
const LOOK_AGAIN_MS = 200;
const FILE = join(PROJECT_ROOT, ".dispatcher", "stack.json");

/** Records this process's stack in a file that only this user can read, because it holds connection strings. */
export async function writeState(given: StackState, file = FILE): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await rm(file, { force: true });
  await writeFile(file, `${JSON.stringify(given, undefined, 2)}\n`, { mode: 0o600, flag: "wx" });
  await chmod(file, 0o600);
}

/**
 * A running stack. An app that takes the connection and says nothing, as a process that was halted, is `isSilent`: bus,
 * storage and cluster are processes of their own and may answer.
 */
type RunningStack = StackState & { readonly isSilent?: true };

/** The running stack. Undefined if none is recorded, or its process is gone, or its app is away. */
export async function readState(file = FILE): Promise<RunningStack | undefined> {
  const recorded = await recordedState(file);
  return recorded && running(recorded, await answerOf(recorded.app));
}

/** Rejects with a Refusal if a stack runs here already, halted or not, because two would write the same files. */
export async function refuseSecondStack(file = FILE): Promise<void> {
  const first = await readState(file);
  if (!first) return;
  const { pid, isSilent } = first;
  throw new Refusal(
    isSilent
      ? // A halted process takes the signal to end once it goes on.
        `npm start runs here already (process ${pid}), and its app does not answer, as if it were halted. Stop it first: kill ${pid}; kill -CONT ${pid}. If that is another program, delete ${file}`
      : `npm start runs here already. Stop it first: kill ${pid}`,
  );
}

/**
 * The running stack, for a command that would go on to another Dispatcher if there is none. Waits for an app that is away
 * because it loads changed modules. Rejects with a Refusal if the process is there and the app stays away.
 */
export async function untilStateIsSure(file = FILE, patienceMs = RELOAD_MS): Promise<RunningStack | undefined> {
  for (const until = Date.now() + patienceMs; ; await sleep(LOOK_AGAIN_MS)) {
    const recorded = await recordedState(file);
    if (!recorded) return undefined;
    const found = running(recorded, await answerOf(recorded.app));
    if (found) return found;
    if (Date.now() >= until)
      throw new Refusal(
        `The stack of this machine (process ${recorded.pid}) does not answer. Look what it prints, or stop it with: kill ${recorded.pid}. If that is another program, delete ${file}`,
      );
  }
}

/** The stack that is recorded, if its process is there. */
async function recordedState(file: string): Promise<StackState | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  const parsed = state.safeParse(text === undefined ? undefined : asJson(text));
  return parsed.success && isAlive(parsed.data.pid) ? parsed.data : undefined;
}

/** The system reuses process ids, so only the app proves that this stack runs: it answers, or has its port at least. */
function running(recorded: StackState, app: "alive" | "silent" | "away"): RunningStack | undefined {
  if (app === "away") return undefined;
  return app === "alive" ? recorded : { ...recorded, isSilent: true };
}

/** Removes the record of the stack that runs as process `pid`, and no other's. */
export async function removeState(pid: number, file = FILE): Promise<void> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  const parsed = state.safeParse(text === undefined ? undefined : asJson(text));
  if (parsed.success && parsed.data.pid === pid) await rm(file, { force: true });
}

async function answerOf(app: string): Promise<"alive" | "silent" | "away"> {
  try {
    const response = await fetch(`${app}/api/health/live`, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    return response.ok ? "alive" : "away";
  } catch (error) {
    return error instanceof Error && error.name === "TimeoutError" ? "silent" : "away";
  }
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
    // The process belongs to another user. It is alive, though we may not signal it.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
