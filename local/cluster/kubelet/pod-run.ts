import { rmSync } from "node:fs";
import { join } from "node:path";
import type { ClusterState } from "../store/cluster-state.ts";
import { configReader, type ReadConfig } from "../store/config-data.ts";
import { type Pod, timestamp } from "../store/wire.ts";
import { type ContainerPlace, ContainerRun } from "./container-run.ts";
import { isInitDone, type PodProgress, podStatus } from "./pod-status.ts";
import { MountError, makeVolumes } from "./pod-volumes.ts";
import { Timers } from "./timers.ts";

/** ErrImagePull turns into ImagePullBackOff after this time. */
const PULL_BACKOFF_MS = 3_000;
/** A volume or container whose Secret or ConfigMap is missing is tried again after this time, as a kubelet does. */
const CONFIG_RETRY_MS = 1_000;
/** A sidecar that ended is started again after this time. */
const SIDECAR_RESTART_MS = 1_000;

/** What a node gives to every pod. */
export type Node = Pick<ContainerPlace, "baseEnv" | "isImageMissing" | "isRemembered">;

type End = NonNullable<PodProgress["end"]>;

/**
 * One pod, from its start to its end: volumes, init containers one after another, then all containers at once. Two
 * things cut it short: its own deadline, and its deletion. The pod's status in the store follows every step.
 */
export class PodRun {
  readonly directory: string;
  readonly #state: ClusterState;
  readonly #node: Node;
  readonly #pod: Pod;
  readonly #containers: readonly ContainerRun[];
  readonly #timers = new Timers();
  readonly #running = new Set<Promise<unknown>>();
  #startTime: string | undefined;
  #end: End | undefined;
  #isStopping = false;
  #finish: () => void = () => {};
  /** Resolves when no process of the pod is left and its last status is stored. */
  readonly finished: Promise<void>;

  constructor(state: ClusterState, pod: Pod, directory: string, node: Node) {
    this.#state = state;
    this.#pod = pod;
    this.directory = directory;
    this.#node = node;
    const init = pod.spec?.initContainers ?? [];
    const waiting = init.length > 0 ? "PodInitializing" : "ContainerCreating";
    this.#containers = [
      ...init.map((spec) => new ContainerRun(spec, true, directory, "PodInitializing")),
      ...(pod.spec?.containers ?? []).map((spec) => new ContainerRun(spec, false, directory, waiting)),
    ];
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  /** Runs the pod to its own end, unless it is stopped first. */
  async run(): Promise<void> {
    this.#startTime = timestamp();
    const deadlineSeconds = this.#pod.spec?.activeDeadlineSeconds;
    if (deadlineSeconds !== undefined) this.#timers.after(deadlineSeconds * 1000, () => void this.#pastDeadline());
    this.#publish();
    const readConfig = configReader(this.#state, this.#pod.metadata.namespace);
    const volumes = await this.#mount(readConfig);
    if (this.#isStopping) return;
    const place = { ...this.#node, directory: this.directory, volumes, readConfig };
    for (const container of this.#containers.filter(({ isInit }) => isInit)) {
      const isDone = await this.#runInit(container, place);
      if (!isDone) return;
    }
    await this.#runMain(place);
  }

  /** Ends every process with SIGTERM, and with SIGKILL after the grace period. Then the pod is over as `end` says. */
  async stop(graceMs: number, end: End): Promise<void> {
    if (this.#end !== undefined) return;
    if (this.#isStopping) {
      // A shorter grace period may come later, because a forced deletion doesn't wait for the first one.
      if (graceMs === 0) this.#signal("SIGKILL");
      return;
    }
    this.#isStopping = true;
    this.#timers.clear();
    this.#signal(graceMs === 0 ? "SIGKILL" : "SIGTERM");
    const killer = setTimeout(() => this.#signal("SIGKILL"), graceMs);
    await Promise.all(this.#running);
    clearTimeout(killer);
    this.#complete(end);
  }

  /** Sends SIGKILL to every process at once and records nothing, because the program itself is ending. */
  killNow(): void {
    this.#signal("SIGKILL");
  }

  /** Removes what the pod left on the disk, its logs included. */
  cleanUp(): void {
    this.#timers.clear();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Makes the pod's volumes. Waits as long as a Secret or ConfigMap for them is missing. */
  async #mount(readConfig: ReadConfig): Promise<Map<string, string>> {
    for (;;) {
      try {
        return makeVolumes(this.#pod, join(this.directory, "volumes"), readConfig);
      } catch (error) {
        if (!(error instanceof MountError)) throw error;
        this.#state.recordEvent(this.#pod, "Warning", "FailedMount", error.message);
      }
      await this.#timers.elapsed(CONFIG_RETRY_MS);
    }
  }

  async #runInit(container: ContainerRun, place: ContainerPlace): Promise<boolean> {
    const exitCode = await this.#runContainer(container, place);
    if (this.#isStopping || exitCode === "stuck") return false;
    if (exitCode === "sidecar" || exitCode === 0) return true;
    await this.#endSidecars();
    this.#complete({ phase: "Failed" });
    return false;
  }

  async #runMain(place: ContainerPlace): Promise<void> {
    const main = this.#containers.filter(({ isInit }) => !isInit);
    const exits = await Promise.all(main.map((container) => this.#runContainer(container, place)));
    if (this.#isStopping || exits.includes("stuck")) return;
    await this.#endSidecars();
    if (this.#isStopping) return;
    this.#complete({ phase: exits.every((exit) => exit === 0) ? "Succeeded" : "Failed" });
  }

  /** Resolves to the exit code. Resolves at once if the container stays (a sidecar) or can't start. */
  async #runContainer(container: ContainerRun, place: ContainerPlace): Promise<number | "stuck" | "sidecar"> {
    // A deletion may have come between the end of one container and the start of the next.
    if (this.#isStopping) return "stuck";
    const start = container.start(this.#pod, place);
    if (start.kind === "stuck") {
      this.#reportStuck(container, start.reason, start.message);
      if (start.reason !== "CreateContainerConfigError") return "stuck";
      await this.#timers.elapsed(CONFIG_RETRY_MS);
      return this.#runContainer(container, place);
    }
    this.#publish();
    const exited = start.exited.then((exit) => {
      this.#publish();
      if (container.isSidecar && !this.#isStopping && !this.#endingSidecars) this.#restartLater(container, place);
      return exit.exitCode;
    });
    this.#running.add(exited);
    void exited.finally(() => this.#running.delete(exited));
    return container.isSidecar ? "sidecar" : exited;
  }

  #endingSidecars = false;

  /** Ends the sidecars in reverse order of their start, as a node does. */
  async #endSidecars(): Promise<void> {
    this.#endingSidecars = true;
    const graceMs = (this.#pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000;
    for (const sidecar of this.#containers.filter(({ isSidecar }) => isSidecar).toReversed()) sidecar.kill("SIGTERM");
    const killer = setTimeout(() => this.#signal("SIGKILL"), graceMs);
    await Promise.all(this.#running);
    clearTimeout(killer);
  }

  #restartLater(sidecar: ContainerRun, place: ContainerPlace): void {
    this.#timers.after(SIDECAR_RESTART_MS, () => {
      if (this.#isStopping || this.#endingSidecars) return;
      sidecar.restartCount += 1;
      void this.#runContainer(sidecar, place);
    });
  }

  #reportStuck(container: ContainerRun, reason: string, message: string): void {
    this.#state.recordEvent(this.#pod, "Warning", "Failed", `Error: ${reason}: ${message}`);
    this.#publish();
    if (reason !== "ErrImagePull") return;
    this.#timers.after(PULL_BACKOFF_MS, () => {
      const backOff = `Back-off pulling image "${container.spec.image ?? ""}": ErrImagePull: ${message}`;
      container.state = { waiting: { reason: "ImagePullBackOff", message: backOff } };
      this.#publish();
    });
  }

  async #pastDeadline(): Promise<void> {
    const graceMs = (this.#pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000;
    const message = "Pod was active on the node longer than the specified deadline";
    await this.stop(graceMs, { phase: "Failed", reason: "DeadlineExceeded", message });
  }

  #complete(end: End): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    const isInitialized = this.#containers.every((run) => !run.isInit || isInitDone(run));
    if (isInitialized) for (const container of this.#containers) container.giveUp();
    this.#timers.clear();
    this.#publish();
    this.#finish();
  }

  /** Stores the status as it is now, unless the pod is gone. */
  #publish(): void {
    const { namespace, name, uid } = this.#pod.metadata;
    const current = this.#state.pods.get(namespace, name);
    if (current === undefined || current.metadata.uid !== uid) return;
    const status = podStatus(
      { containers: this.#containers, startTime: this.#startTime, end: this.#end },
      current.status,
    );
    this.#state.pods.replace({ ...current, status });
  }

  #signal(signal: NodeJS.Signals): void {
    for (const container of this.#containers) container.kill(signal);
  }
}
