// Runs the batch/v1 stand-in as a program of its own. It prints one JSON line on stdout when it listens. Everything
// else goes to stderr.
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Option } from "@commander-js/extra-typings";
import { makeCommand, portNumber } from "../../shared/command-line.ts";
import { endWith } from "../kit/end-with.ts";
import { startCluster } from "./start-cluster.ts";

const options = makeCommand("cluster")
  .description("Serves Jobs and pods as a Kubernetes API server does, and runs them as processes, until it is ended.")
  .option("--port <n>", "where it listens; 0 takes a free one", portNumber, 0)
  .addOption(
    new Option("--directory <path>", "where the kubeconfig and the files of the containers are").default(
      join(tmpdir(), `dispatcher-cluster-${process.pid}`),
      "a temporary one",
    ),
  )
  .option("--namespace <name>", "the kubeconfig's namespace", "default")
  .option("--missing-images <file>", "lists images, one a line, that can't be pulled")
  .option("--remember", "keep Jobs, pods and logs in the directory, also after a kill -9")
  .option("--stub", "store Jobs, and run none")
  .parse()
  .opts();

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
  const file = options.missingImages;
  return file !== undefined && readFileSync(file, "utf8").split("\n").includes(image);
}

const cluster = await startCluster({ ...options, baseEnv: baseEnv(), isImageMissing });
endWith(() => cluster.close());
process.stdout.write(`${JSON.stringify({ ready: true, port: cluster.port, kubeconfig: cluster.kubeconfigPath })}\n`);
