import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { neededEnvironment } from "../../local/stack/own-environment.ts";
import { API } from "../../shared/api/answer.ts";
import { distFile, type Processes } from "../processes.ts";
import { type Connections, settingsOf } from "../servers.ts";

/** The server of the page, a process of its own. */
export interface PageServer {
  readonly pid: number;
  /** The page's address, with the token. */
  readonly address: string;
  /** Sends a look to the API, and resolves to its answer. Rejects if that is not the one that was asked for. */
  ask(path: string): Promise<unknown>;
  stop(): Promise<void>;
}

/** Starts `dispatcher ui`, and resolves once it serves. */
export async function startPageServer(processes: Processes, connections: Connections): Promise<PageServer> {
  // Another directory might have a local.settings.json.
  const cwd = await processes.directory();
  const env = { ...neededEnvironment(process.env), ...settingsOf(connections) };
  const args = [distFile("cli/main.js"), "ui", "--port", "0"];
  const child = spawn(process.execPath, args, { cwd, env, stdio: ["ignore", "pipe", "ignore"] });
  const ended = once(child, "exit");
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  processes.atEnd(stop);
  const [address]: unknown[] = await Promise.race([once(createInterface(child.stdout), "line"), ended]);
  if (typeof address !== "string") throw new Error(`the page's server ended with exit code ${String(address)}`);
  const { origin, hash } = new URL(address);
  const headers = { authorization: `Bearer ${hash.slice(1)}` };
  return {
    pid: child.pid ?? 0,
    address,
    async ask(path) {
      const response = await fetch(`${origin}${API}${path}`, { headers });
      const answer: unknown = await response.json();
      if (!response.ok) throw new Error(`the page's server answered ${path} with ${response.status}`);
      return answer;
    },
    stop,
  };
}
