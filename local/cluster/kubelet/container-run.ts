import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { V1ContainerState } from "@kubernetes/client-node";
import type { ReadConfig } from "../store/config-data.ts";
import { type Container, type Pod, timestamp, type Wire } from "../store/wire.ts";
import { ContainerConfigError, resolveCommandLine } from "./container-environment.ts";
import { ContainerLog, readContainerLog, tailLines } from "./container-log.ts";
import { type ContainerProcess, type Exit, startProcess } from "./container-process.ts";
import { isImageName, isOfNoRegistry, NO_IMAGES } from "./image-name.ts";
import { noteProcess } from "./left-processes.ts";
import { makePathMapper } from "./pod-volumes.ts";

/** How a container's attempt to start went. It ran, or it waits for ever, with a reason that kubectl shows. */
export type Start =
  | { readonly kind: "running"; readonly exited: Promise<Exit> }
  | { readonly kind: "stuck"; readonly reason: string; readonly message: string };

export interface ContainerPlace {
  /** The pod's own directory. */
  readonly directory: string;
  readonly volumes: ReadonlyMap<string, string>;
  readonly baseEnv: Readonly<Record<string, string>>;
  /** Reads the Secrets and ConfigMaps of the pod's namespace. */
  readonly readConfig: ReadConfig;
  /** Whether a later start has to find the processes that this one left behind. */
  readonly isRemembered: boolean;
  /** Whether an image can't be pulled. */
  readonly isImageMissing: (image: string) => boolean;
}

const MAX_MESSAGE_BYTES = 4_096;
const FALLBACK_LINES = 80;
const FALLBACK_BYTES = 2_048;

/** One container of a pod: its state as the API shows it, and its process. */
export class ContainerRun {
  readonly spec: Container;
  readonly isInit: boolean;
  readonly logPath: string;
  state: Wire<V1ContainerState>;
  restartCount = 0;
  #process: ContainerProcess | undefined;

  constructor(spec: Container, isInit: boolean, podDirectory: string, waitingReason: string) {
    this.spec = spec;
    this.isInit = isInit;
    this.logPath = logPathOf(podDirectory, spec.name);
    this.state = { waiting: { reason: waitingReason } };
  }

  /**
   * Whether it is a sidecar, which is an init container that stays. It is started in its turn, runs beside the others,
   * and does not decide how the pod ends.
   */
  get isSidecar(): boolean {
    return this.isInit && this.spec.restartPolicy === "Always";
  }

  get isEnded(): boolean {
    return this.state.terminated !== undefined;
  }

  /** Starts the process. The state is up to date when this returns, and again when `exited` resolves. */
  start(pod: Pod, place: ContainerPlace): Start {
    const image = this.spec.image ?? "";
    if (!isImageName(image)) {
      const message = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`;
      return this.#stuck("InvalidImageName", message);
    }
    if (isOfNoRegistry(image) || place.isImageMissing(image))
      return this.#stuck("ErrImagePull", `failed to pull and unpack image "${image}": not found`);
    if ((this.spec.command ?? []).length === 0) {
      return this.#stuck("ErrImagePull", `failed to pull and unpack image "${image}": ${NO_IMAGES}`);
    }
    const realPath = makePathMapper(this.spec, place.volumes);
    try {
      const { env, command } = resolveCommandLine(pod, this.spec, { ...place, realPath });
      return this.#run({ command, env, cwd: this.#workingDirectory(place, realPath) }, place, realPath);
    } catch (error) {
      if (error instanceof ContainerConfigError) return this.#stuck("CreateContainerConfigError", error.message);
      throw error;
    }
  }

  /** Ends a container of a pod that is over. One that never ran is reported in the words of a kubelet that lost it. */
  giveUp(): void {
    if (this.state.waiting === undefined) return;
    const message = "The container could not be located when the pod was terminated";
    this.state = { terminated: { exitCode: 137, reason: "ContainerStatusUnknown", message } };
  }

  kill(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  #run(
    { command, env, cwd }: { command: readonly string[]; env: Readonly<Record<string, string>>; cwd: string },
    place: ContainerPlace,
    realPath: (path: string) => string | undefined,
  ): Start {
    mkdirSync(join(this.logPath, ".."), { recursive: true });
    const log = new ContainerLog(this.logPath);
    const startedAt = timestamp();
    const process = startProcess(command, { env, cwd, log });
    this.#process = process;
    if (place.isRemembered && process.pid !== undefined) noteProcess(place.directory, process.pid);
    this.state = { running: { startedAt } };
    const exited = process.exited.then((exit) => {
      log.close();
      this.#process = undefined;
      this.#end(exit, startedAt, realPath);
      return exit;
    });
    return { kind: "running", exited };
  }

  #stuck(reason: string, message: string): Start {
    this.state = { waiting: { reason, message } };
    return { kind: "stuck", reason, message };
  }

  #end(exit: Exit, startedAt: string, realPath: (path: string) => string | undefined): void {
    const isStarted = exit.startError === undefined;
    const reason = !isStarted ? "StartError" : exit.exitCode === 0 ? "Completed" : "Error";
    const message = exit.startError ?? this.#terminationMessage(exit.exitCode, realPath);
    this.state = {
      terminated: {
        exitCode: exit.exitCode,
        reason,
        // A container runtime that could not start the command reports 1970.
        startedAt: isStarted ? startedAt : timestamp(0),
        finishedAt: timestamp(),
        ...(message === "" ? {} : { message }),
      },
    };
  }

  #terminationMessage(exitCode: number, realPath: (path: string) => string | undefined): string {
    const path = realPath(this.spec.terminationMessagePath ?? "/dev/termination-log");
    const text =
      path !== undefined && existsSync(path) ? readFileSync(path).subarray(0, MAX_MESSAGE_BYTES).toString("utf8") : "";
    if (text !== "" || exitCode === 0 || this.spec.terminationMessagePolicy !== "FallbackToLogsOnError") return text;
    return tailLines(readContainerLog(this.logPath), FALLBACK_LINES).subarray(-FALLBACK_BYTES).toString("utf8");
  }

  #workingDirectory(place: ContainerPlace, realPath: (path: string) => string | undefined): string {
    const own = join(place.directory, "containers", this.spec.name);
    mkdirSync(own, { recursive: true });
    const wanted = this.spec.workingDir;
    if (wanted === undefined || wanted === "") return own;
    const mapped = realPath(wanted);
    if (mapped === undefined && existsSync(wanted)) return wanted;
    // A container runtime makes the directory if the image lacks it.
    const made = mapped ?? join(own, wanted);
    mkdirSync(made, { recursive: true });
    return made;
  }
}

/** The file that keeps a container's log. */
export function logPathOf(podDirectory: string, container: string): string {
  return join(podDirectory, "logs", `${container}.log`);
}
