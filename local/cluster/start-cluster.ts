import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { startApiServer } from "./api/server.ts";
import { makeCertificate } from "./certificate.ts";
import { startJobController } from "./controller/job-controller.ts";
import { kubeconfigText } from "./kubeconfig.ts";
import { startPodRunner } from "./kubelet/pod-runner.ts";
import { makeClusterState } from "./store/cluster-state.ts";
import { publishRootCa } from "./store/config-data.ts";

export interface ClusterOptions {
  /** 0, the default, takes a free one; a port that is taken is replaced by a free one. */
  readonly port?: number;
  /** Where the kubeconfig, the pods' volumes and their logs are kept. Made where it is missing. */
  readonly directory: string;
  /** The namespace that exists beside `default`, and that the kubeconfig names. */
  readonly namespace?: string;
  /** Jobs are stored and never run. */
  readonly stub?: boolean;
  /** What every process gets beside its own variables; `PATH` as in a plain container image by default. */
  readonly baseEnv?: Readonly<Record<string, string>>;
  /** Images that can't be pulled; asked for each container that is about to start. None by default. */
  readonly isImageMissing?: (image: string) => boolean;
}

export interface LocalCluster {
  readonly port: number;
  readonly kubeconfigPath: string;
  readonly token: string;
  /** Ends every process that runs for a pod, then the server. */
  close(): Promise<void>;
}

const CONTAINER_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Starts the stand-in for a Kubernetes cluster: `batch/v1` Jobs, their pods, logs and events, over the real API, with a Job's containers as
 * processes of this machine. It isolates nothing: its Jobs may do whatever the user may who started it.
 */
export async function startCluster(options: ClusterOptions): Promise<LocalCluster> {
  const directory = resolve(options.directory);
  const namespace = options.namespace ?? "default";
  mkdirSync(directory, { recursive: true });
  // What an earlier start left: its pods are not this one's.
  rmSync(join(directory, "pods"), { recursive: true, force: true });
  const state = makeClusterState(["default", namespace]);
  const baseEnv = options.baseEnv ?? { PATH: CONTAINER_PATH };
  const isImageMissing = options.isImageMissing ?? (() => false);
  const runner = options.stub === true ? undefined : startPodRunner(state, { directory, baseEnv, isImageMissing });
  const controller = runner === undefined ? undefined : startJobController(state);
  // A program that ends without closing can't wait for anybody.
  const killNow = (): void => runner?.killNow();
  process.once("exit", killNow);
  const token = randomBytes(32).toString("base64url");
  const certificate = await makeCertificate();
  publishRootCa(state, certificate.cert);
  const server = await startOnFreePort(options.port ?? 0, (port) =>
    startApiServer({ state, runner }, { port, token, certificate }),
  );
  const kubeconfigPath = join(directory, "kubeconfig");
  const address = `https://127.0.0.1:${server.port}`;
  const facts = { name: "dispatcher-local", server: address, token, namespace, ca: certificate.cert };
  writeKubeconfig(kubeconfigPath, kubeconfigText(facts));
  return {
    port: server.port,
    kubeconfigPath,
    token,
    async close() {
      controller?.close();
      await runner?.close();
      process.off("exit", killNow);
      await server.close();
      rmSync(kubeconfigPath, { force: true });
      rmSync(join(directory, "pods"), { recursive: true, force: true });
    },
  };
}

async function startOnFreePort<T>(port: number, start: (port: number) => Promise<T>): Promise<T> {
  try {
    return await start(port);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE") || port === 0) throw error;
    console.error(`local cluster: port ${port} is in use, taking a free one`);
    return start(0);
  }
}

/** Readable by its owner alone: its token lets anyone run commands as that user. */
function writeKubeconfig(path: string, text: string): void {
  // An old file would keep its mode, so it goes first.
  rmSync(path, { force: true });
  writeFileSync(path, text, { mode: 0o600 });
  chmodSync(path, 0o600);
}
