import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { startApiServer } from "./api/server.ts";
import { makeCertificate } from "./certificate.ts";
import { startJobController } from "./controller/job-controller.ts";
import { kubeconfigText } from "./kubeconfig.ts";
import { startPodRunner } from "./kubelet/pod-runner.ts";
import { endPodsOfBefore, openMemory, removeLeavingPods } from "./memory.ts";
import { makeClusterState } from "./store/cluster-state.ts";
import { publishRootCa } from "./store/config-data.ts";

export interface ClusterOptions {
  /** The port to listen on. 0, the default, takes a free one; a port that is taken is replaced by a free one. */
  readonly port?: number;
  /** Keeps the kubeconfig, the pods' volumes and their logs. It is made if it is missing. */
  readonly directory: string;
  /** The namespace that exists beside `default`, and that the kubeconfig names. */
  readonly namespace?: string;
  /**
   * Tells this cluster from others. A cluster that is started again with the same one is the same, as by default. One
   * that remembers has a uid of its own.
   */
  readonly uid?: string;
  /**
   * Keeps Jobs, pods, Secrets, ConfigMaps and logs in the directory, also if the process is killed. A pod that ran when
   * the stand-in ended has failed when it starts again, as on a node that was shut down.
   */
  readonly remember?: boolean;
  /** Stores Jobs and never runs them. */
  readonly stub?: boolean;
  /** The variables that every process gets beside its own. By default only `PATH`, as in a plain container image. */
  readonly baseEnv?: Readonly<Record<string, string>>;
  /**
   * Says whether an image can't be pulled. Called for each container that is about to start. By default every image can
   * be.
   */
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
 * Starts the stand-in for a Kubernetes cluster. It serves `batch/v1` Jobs, their pods, logs and events over the real
 * API, and runs a Job's containers as processes of this machine. It isolates nothing, so a Job may do everything that
 * the user may who started the stand-in.
 */
export async function startCluster(options: ClusterOptions): Promise<LocalCluster> {
  const directory = resolve(options.directory);
  const namespace = options.namespace ?? "default";
  mkdirSync(directory, { recursive: true });
  const memory = options.remember === true ? openMemory(directory) : undefined;
  const state = makeClusterState(["default", namespace], memory?.uid ?? options.uid);
  endPodsOfBefore(join(directory, "pods"), memory?.pods ?? []);
  const endMemory = memory?.restore(state);
  const baseEnv = options.baseEnv ?? { PATH: CONTAINER_PATH };
  const isImageMissing = options.isImageMissing ?? (() => false);
  const runner =
    options.stub === true
      ? undefined
      : startPodRunner(state, { directory, baseEnv, isImageMissing, isRemembered: memory !== undefined });
  const controller = runner === undefined ? undefined : startJobController(state);
  removeLeavingPods(state);
  // A program that ends without closing can't wait for its pods.
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
      // What ends now is ended from outside, as the next start will tell.
      endMemory?.();
      controller?.close();
      await runner?.close();
      process.off("exit", killNow);
      await server.close();
      rmSync(kubeconfigPath, { force: true });
      if (memory === undefined) rmSync(join(directory, "pods"), { recursive: true, force: true });
    },
  };
}

async function startOnFreePort<T>(port: number, start: (port: number) => Promise<T>): Promise<T> {
  try {
    return await start(port);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE") || port === 0) throw error;
    console.error(`local cluster: port ${port} is in use by another program; taking a free one`);
    return start(0);
  }
}

/** Writes the file readable by its owner alone, because its token lets anyone run commands as that user. */
function writeKubeconfig(path: string, text: string): void {
  // The old file is removed first, because it would keep its mode.
  rmSync(path, { force: true });
  writeFileSync(path, text, { mode: 0o600 });
  chmodSync(path, 0o600);
}
