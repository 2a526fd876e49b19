import { spawn } from "node:child_process";
import { once } from "node:events";
import { neededEnvironment } from "../../local/stack/own-environment.ts";
import { distFile, type Processes } from "../processes.ts";
import { type Servers, settingsOf } from "../servers.ts";
import { Ticking, USUAL_TICKS } from "../ticking.ts";

/** What is run, with which exit code it ends, and how long the half of all runs may take at most. */
interface Measured {
  readonly args: readonly string[];
  readonly exitCode: number;
  readonly targetMs: number;
}

/** What is run beside a long history. Something is wrong there, because a gate is shut. */
export const LOOKS: readonly Measured[] = [
  { args: ["status"], exitCode: 1, targetMs: 600 },
  { args: ["dead", "groups"], exitCode: 0, targetMs: 600 },
  { args: ["--help"], exitCode: 0, targetMs: 150 },
];

/** What is run beside very many Jobs at work, and finds nothing wrong. */
export const AUDIT: Measured = { args: ["audit"], exitCode: 0, targetMs: 10_000 };

/** How long each run of a command took as a whole process, and Node alone, which runs nothing. */
export interface CommandFigures {
  readonly what: string;
  readonly targetMs: number;
  readonly ms: readonly number[];
  readonly nodeMs: readonly number[];
}

/** Runs each command so often beside a running app, in turn with Node alone. */
export async function measureCommands(
  processes: Processes,
  servers: Servers,
  commands: readonly Measured[],
  runs: number,
): Promise<CommandFigures[]> {
  const said = new Ticking();
  const app = await servers.startApp({ schedule: USUAL_TICKS, onLine: said.take });
  await said.until(1);
  // Another directory might have a local.settings.json.
  const cwd = await processes.directory();
  const env = { ...neededEnvironment(process.env), ...settingsOf(servers.connections) };
  const timeOf = async (args: readonly string[], expected = 0): Promise<number> => {
    const startedAt = performance.now();
    const [exitCode]: unknown[] = await once(spawn(process.execPath, args, { cwd, env, stdio: "ignore" }), "exit");
    if (exitCode !== expected) throw new Error(`${args.join(" ")} ended with exit code ${String(exitCode)}`);
    return performance.now() - startedAt;
  };

  const figures: CommandFigures[] = [];
  for (const { args, exitCode, targetMs } of commands) {
    const [ms, nodeMs]: [number[], number[]] = [[], []];
    for (let made = 0; made < runs; made += 1) {
      ms.push(await timeOf([distFile("cli/main.js"), ...args], exitCode));
      nodeMs.push(await timeOf(["--eval", ""]));
    }
    figures.push({ what: `dispatcher ${args.join(" ")}`, targetMs, ms, nodeMs });
  }
  await app.stop();
  return figures;
}
