// A program of its own: the batch/v1 stand-in. One JSON line on stdout when it listens; everything else goes to stderr.
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startCluster } from "./start-cluster.ts";

const USAGE = "usage: cluster [--port N] [--directory DIR] [--namespace NS] [--missing-images FILE] [--stub]";

const flags = {
  port: { type: "string", default: "0" },
  directory: { type: "string", default: join(tmpdir(), `dispatcher-cluster-${process.pid}`) },
  namespace: { type: "string", default: "default" },
  "missing-images": { type: "string" },
  stub: { type: "boolean", default: false },
} as const;

function readFlags() {
  const { values } = parseArgs({ options: flags });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`--port ${values.port} is not a port: 0 to 65535`);
  return { ...values, port };
}

function usage(error: unknown): never {
  console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  process.exit(2);
}

/** What a process can't do without on this platform; nothing else of this program's environment reaches it. */
function baseEnv(): Record<string, string> {
  const names = process.platform === "win32" ? ["PATH", "PATHEXT", "SYSTEMROOT", "TEMP"] : ["PATH"];
  return Object.fromEntries(names.map((name) => [name, process.env[name] ?? ""]));
}

/** The file is read for each container, so that images go and come back while the program runs. */
function isImageMissing(image: string): boolean {
  const file = options["missing-images"];
  return file !== undefined && readFileSync(file, "utf8").split("\n").includes(image);
}

let options: ReturnType<typeof readFlags>;
try {
  options = readFlags();
} catch (error) {
  usage(error);
}
const cluster = await startCluster({ ...options, baseEnv: baseEnv(), isImageMissing });
let isEnding = false;

async function end(): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  await cluster.close();
  process.exit(0);
}

process.on("SIGTERM", () => void end());
process.on("SIGINT", () => void end());
process.on("disconnect", () => void end());

process.stdout.write(`${JSON.stringify({ ready: true, port: cluster.port, kubeconfig: cluster.kubeconfigPath })}\n`);
