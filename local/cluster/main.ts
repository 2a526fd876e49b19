// Runs the batch/v1 stand-in as a program of its own. It prints one JSON line on stdout when it listens. Everything
// else goes to stderr.
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Command, parseFlags, readCommandLine } from "../../shared/command-line.ts";
import { startCluster } from "./start-cluster.ts";

const COMMAND = {
  usage: "cluster [FLAGS]",
  does: "Serves Jobs and pods as a Kubernetes API server does, and runs them as processes, until it is ended.",
  flags: {
    port: { type: "string", default: "0", value: "N", says: "where it listens; 0 takes a free one" },
    directory: {
      type: "string",
      value: "PATH",
      says: "where the kubeconfig and the files of the containers are; without it, a temporary one",
    },
    namespace: { type: "string", default: "default", value: "NAME", says: "the kubeconfig's namespace" },
    "missing-images": { type: "string", value: "FILE", says: "lists images, one a line, that can't be pulled" },
    stub: { type: "boolean", default: false, says: "store Jobs, and run none" },
  },
} as const satisfies Command;

function readFlags(args: readonly string[]) {
  const { values } = parseFlags(COMMAND, args);
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`--port ${values.port} is not a port: 0 to 65535`);
  const directory = values.directory ?? join(tmpdir(), `dispatcher-cluster-${process.pid}`);
  return { ...values, directory, port };
}

/**
 * The variables that every process on this platform needs. Nothing else of this program's environment reaches a
 * container.
 */
function baseEnv(): Record<string, string> {
  const names = process.platform === "win32" ? ["PATH", "PATHEXT", "SYSTEMROOT", "TEMP"] : ["PATH"];
  return Object.fromEntries(names.map((name) => [name, process.env[name] ?? ""]));
}

/**
 * Reads the file anew for each container, so that a test can remove images and bring them back while the program runs.
 */
function isImageMissing(image: string): boolean {
  const file = options["missing-images"];
  return file !== undefined && readFileSync(file, "utf8").split("\n").includes(image);
}

const options = readCommandLine(COMMAND, readFlags);
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
