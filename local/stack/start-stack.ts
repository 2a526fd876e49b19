import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClusterChoice } from "../../cli/up/cluster-flags.ts";
import { durationText } from "../../shared/duration.ts";
import { loadModules } from "../../shared/module-files/load-modules.ts";
import { type Source, sourceKey } from "../../shared/run/source.ts";
import type { FilterConfig } from "../broker/filter.ts";
import { isReal } from "./is-real.ts";
import { instanceIn, newInstance, notePids, openState } from "./kept-state.ts";
import { modulesWithImage } from "./modules-with-image.ts";
import { type Part, type PartOptions, startPart } from "./part.ts";
import { PROJECT_ROOT } from "./project-root.ts";
import { rejectionOf } from "./rejection.ts";
import { LOCK_MS, type ServerPlace, type Settings, startBus, startJobs, startStorage } from "./servers.ts";
import { releaseLock } from "./state-lock.ts";

export interface StackOptions {
  readonly modulesDir: string;
  readonly cluster: ClusterChoice;
  /**
   * The messages of a topic that a local subscription takes, by `<topic>/<subscription>`. A subscription that isn't
   * named takes all.
   */
  readonly filters: Readonly<Record<string, FilterConfig>>;
  /** App settings that override the stack's own. If they name a real bus or real storage, no local one is started. */
  readonly settings: Readonly<Record<string, string>>;
  /** The variables that any process needs to run: see `neededEnvironment`. */
  readonly env: Readonly<Record<string, string>>;
  /** Ports to ask for. A port that is taken is replaced by a free one, and a line says so. */
  readonly ports?: { readonly bus?: number; readonly http?: number };
  /** The key of the local bus. Without it, a stack that keeps its state has a key of its own, and others a known one. */
  readonly busKey?: string;
  /**
   * The directory that keeps bus, storage, cluster and the instance's name. Without it everything is gone with the stack.
   * Only one stack at a time may have it.
   */
  readonly stateDir?: string;
  /** Called with each line that a part writes. */
  readonly onLine?: (part: string, line: string) => void;
}

/** The servers on one machine, and the app once it is started. */
export interface Stack {
  /** Running parts, in the order in which they were started. */
  readonly parts: readonly Part[];
  /** The app's settings. */
  readonly settings: Readonly<Record<string, string>>;
  readonly sources: readonly Source[];
  /** Loads the built app in a host, with all its triggers. */
  startApp(): Promise<Part>;
  /**
   * Takes the module files as they are now: ends the app and starts it again, and the bus too if there are other sources.
   * Jobs go on. Rejects with a ConfigError, and ends nothing, if the files are wrong. Only for a stack that keeps its
   * state.
   */
  reload(): Promise<Part>;
  /** Rejects when one of the parts ends by itself, with its last lines. Never resolves. */
  failed(): Promise<never>;
  /** Ends every part, the last one first. Repeating it is harmless. */
  stop(): Promise<void>;
}

/**
 * Starts broker, storage and cluster, each as a process, and makes the settings with which the app reaches them. If a
 * part fails, everything is stopped again, and the error names the part and has its last lines.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const parts: Part[] = [];
  const cleanUps: (() => Promise<unknown>)[] = [];
  const { stateDir } = options;
  const failure = new AbortController();

  /** The processes of parts that are not ready yet. */
  const starting = new Set<number>();

  let isOver = false;

  /** Writes down the processes, so that a stack which starts after a `kill -9` waits for their end. */
  function note(): void {
    if (stateDir !== undefined && !isOver) notePids(stateDir, [...starting, ...parts.flatMap(pidsOf)]);
  }

  async function start(
    part: Omit<PartOptions, "env" | "onLine" | "onSpawn">,
    settings: Readonly<Record<string, string>> = {},
  ) {
    let spawned = 0;
    try {
      const started = await startPart({
        ...part,
        program: join(PROJECT_ROOT, "dist", part.program, "main.js"),
        env: { ...options.env, ...settings },
        onSpawn: (pid) => {
          spawned = pid;
          starting.add(pid);
          note();
        },
        ...(options.onLine === undefined ? {} : { onLine: (line: string) => options.onLine?.(part.name, line) }),
      });
      parts.push(started);
      void started.died.then((how) => failure.abort(new Error(how)));
      return started;
    } finally {
      starting.delete(spawned);
      note();
    }
  }

  /** Ends one part, to be started anew. */
  async function end(name: string): Promise<void> {
    const index = parts.findIndex((part) => part.name === name);
    const [part] = index < 0 ? [] : parts.splice(index, 1);
    await part?.stop();
  }

  let stopping: Promise<void> | undefined;
  async function stopAll(): Promise<void> {
    for (const part of parts.toReversed()) await part.stop();
    parts.splice(0);
    // A part that is just starting ends by itself. The next start waits for it.
    note();
    isOver = true;
    await Promise.allSettled(cleanUps.map((cleanUp) => cleanUp()));
    if (stateDir !== undefined) releaseLock(stateDir);
  }
  const stop = () => (stopping ??= stopAll());

  try {
    const directory = stateDir ?? (await temporaryDirectory(cleanUps));
    if (stateDir !== undefined) await openState(stateDir);
    const place: ServerPlace = { options, directory, start, cleanUps };
    const modulesDir = await modulesOf(options, cleanUps);
    let sources = loadModules(modulesDir).map(({ source }) => source);
    const servers = [startBus(place, sources), startStorage(place), startJobs(place)];
    const found = await Promise.allSettled(servers);
    let settings: Settings = {
      ...(await defaultSettings(options)),
      ...options.settings,
      MODULES_DIR: modulesDir,
      ...Object.assign({}, ...found.map(valueOf)),
    };
    const startApp = (port = options.ports?.http ?? 0) => start(appPart(port), settings);
    return {
      parts,
      get settings() {
        return settings;
      },
      get sources() {
        return sources;
      },
      failed: () => rejectionOf(failure.signal),
      stop,
      startApp,
      async reload() {
        if (stateDir === undefined) throw new Error("Only a stack that keeps its state can load its modules again.");
        const nextDir = await modulesOf(options, cleanUps);
        const next = loadModules(nextDir).map(({ source }) => source);
        const app = parts.find(({ name }) => name === "app");
        await end("app");
        settings = { ...settings, MODULES_DIR: nextDir };
        if (!areSame(sources, next)) {
          await end("broker");
          settings = { ...settings, ...(await startBus(place, next, portOf(settings["ServiceBus"]))) };
        }
        sources = next;
        return startApp(Number(app?.ready["port"] ?? 0));
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function temporaryDirectory(cleanUps: (() => Promise<unknown>)[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "dispatcher-"));
  cleanUps.push(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A part's process, and the one that it says it runs itself. */
function pidsOf({ pid, ready }: Part): number[] {
  return typeof ready["pid"] === "number" ? [pid, ready["pid"]] : [pid];
}

function valueOf(result: PromiseSettledResult<Settings>): Settings {
  if (result.status === "rejected") throw result.reason;
  return result.value;
}

async function modulesOf({ modulesDir, cluster }: StackOptions, cleanUps: (() => Promise<unknown>)[]): Promise<string> {
  if (cluster.kind === "stand-in" || cluster.image === undefined) return modulesDir;
  const copy = await modulesWithImage(modulesDir, cluster.image);
  cleanUps.push(() => rm(copy, { recursive: true, force: true }));
  return copy;
}

async function defaultSettings({ settings, stateDir }: StackOptions): Promise<Settings> {
  // If the rows don't outlive the stack, its claim on Jobs in the cluster must not either, so such a stack gets an
  // instance name of its own.
  const ownName = () => (stateDir === undefined ? newInstance() : instanceIn(stateDir));
  return {
    DISPATCHER_INSTANCE: isReal(settings, "AzureWebJobsStorage") ? "local" : await ownName(),
    RECONCILE_SCHEDULE: "*/2 * * * * *",
    ...(isReal(settings, "ServiceBus") ? {} : { LOCK_DURATION: durationText(LOCK_MS) }),
  };
}

function areSame(some: readonly Source[], others: readonly Source[]): boolean {
  const [a, b] = [some, others].map((sources) => new Set(sources.map(sourceKey)));
  return a !== undefined && b !== undefined && a.size === b.size && [...a].every((key) => b.has(key));
}

/** The port of a local bus, so that clients find it again there. */
function portOf(connectionString = ""): number {
  return Number(/^Endpoint=sb:\/\/[^:;]+:(\d+)/.exec(connectionString)?.[1] ?? 0);
}

function appPart(port: number) {
  const args = [
    "--app",
    join(PROJECT_ROOT, "dist", "functions", "index.js"),
    "--host-json",
    join(PROJECT_ROOT, "host.json"),
    "--port",
    String(port),
  ];
  return { name: "app", program: "host", args, stopTimeoutMs: 35_000 };
}
