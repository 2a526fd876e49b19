import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClusterChoice } from "../../cli/up/cluster-flags.ts";
import { durationText, parseDuration } from "../../shared/duration.ts";
import { loadModules } from "../../shared/module-files/load-modules.ts";
import type { Source } from "../../shared/run/source.ts";
import type { FilterConfig } from "../broker/filter.ts";
import { startTcpProxy } from "../kit/tcp-proxy.ts";
import { busEntities } from "./bus-entities.ts";
import { isReal } from "./is-real.ts";
import { modulesWithImage } from "./modules-with-image.ts";
import { type Part, type PartOptions, startPart } from "./part.ts";
import { PROJECT_ROOT } from "./project-root.ts";

/** How long the local broker's locks last. They are short, so that a message whose function died comes again soon. */
const LOCK_MS = 30_000;

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
  /** The key of the local bus. Without it, the bus has a key that every stack's bus has. */
  readonly busKey?: string;
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
  /** Rejects when one of the parts that run by now ends by itself, with its last lines. Never resolves. */
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

  async function start(part: Omit<PartOptions, "env" | "onLine">, settings: Readonly<Record<string, string>> = {}) {
    const started = await startPart({
      ...part,
      program: join(PROJECT_ROOT, "dist", part.program, "main.js"),
      env: { ...options.env, ...settings },
      ...(options.onLine === undefined ? {} : { onLine: (line: string) => options.onLine?.(part.name, line) }),
    });
    parts.push(started);
    return started;
  }

  let stopping: Promise<void> | undefined;
  async function stopAll(): Promise<void> {
    for (const part of parts.toReversed()) await part.stop();
    await Promise.allSettled(cleanUps.map((cleanUp) => cleanUp()));
  }
  const stop = () => (stopping ??= stopAll());

  try {
    const directory = await mkdtemp(join(tmpdir(), "dispatcher-"));
    cleanUps.push(() => rm(directory, { recursive: true, force: true }));
    const modulesDir = await modulesOf(options, cleanUps);
    const sources = loadModules(modulesDir).map(({ source }) => source);
    const found = await Promise.allSettled([
      bus(options, sources, directory, start),
      storage(options, cleanUps, start),
      cluster(options, directory, start),
    ]);
    const settings = {
      ...defaultSettings(options),
      ...options.settings,
      MODULES_DIR: modulesDir,
      ...Object.assign({}, ...found.map(valueOf)),
    };
    return {
      parts,
      settings,
      sources,
      failed: async () => {
        throw new Error(await Promise.race(parts.map(({ died }) => died)));
      },
      stop,
      startApp: () => start(appPart(options.ports?.http ?? 0), settings),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Start = (part: Omit<PartOptions, "env" | "onLine">) => Promise<Part>;
type Settings = Record<string, string>;

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

function defaultSettings({ settings }: StackOptions): Settings {
  // If the rows don't outlive the stack, its claim on Jobs in the cluster must not either, so each stack gets an
  // instance name of its own.
  const instance = isReal(settings, "AzureWebJobsStorage") ? "local" : `local-${randomBytes(3).toString("hex")}`;
  return {
    DISPATCHER_INSTANCE: instance,
    RECONCILE_SCHEDULE: "*/2 * * * * *",
    ...(isReal(settings, "ServiceBus") ? {} : { LOCK_DURATION: durationText(LOCK_MS) }),
  };
}

async function bus(
  options: StackOptions,
  sources: readonly Source[],
  directory: string,
  start: Start,
): Promise<Settings> {
  if (isReal(options.settings, "ServiceBus")) return {};
  const file = join(directory, "entities.json");
  // The app refuses a duration that is none, in words of its own.
  const lockDurationMs = parseDuration(options.settings["LOCK_DURATION"] ?? "") ?? LOCK_MS;
  const entities = busEntities(sources, { lockDurationMs, filters: options.filters });
  await writeFile(file, JSON.stringify(entities));
  const args = ["--entities", file, "--port", String(options.ports?.bus ?? 0)];
  if (options.busKey !== undefined) args.push("--key", options.busKey);
  const { ready } = await start({ name: "broker", program: "local/broker", args, stopTimeoutMs: 5_000 });
  return { ServiceBus: text(ready, "connectionString") };
}

async function storage(
  { settings, cluster }: StackOptions,
  cleanUps: (() => Promise<unknown>)[],
  start: Start,
): Promise<Settings> {
  if (isReal(settings, "AzureWebJobsStorage")) return {};
  const { ready } = await start({ name: "storage", program: "local/azurite", stopTimeoutMs: 8_000 });
  const connectionString = text(ready, "connectionString");
  const address = cluster.kind === "kubeconfig" ? cluster.address : undefined;
  if (address === undefined) return { AzureWebJobsStorage: connectionString };

  const [endpoint = "", port = ""] = /BlobEndpoint=http:\/\/127\.0\.0\.1:(\d+)/.exec(connectionString) ?? [];
  const forward = await startTcpProxy({ address, to: Number(port) });
  cleanUps.push(() => forward.close());
  const host = address.includes(":") ? `[${address}]` : address;
  const reachable = `BlobEndpoint=http://${host}:${forward.port}`;
  return { AzureWebJobsStorage: connectionString.replace(endpoint, reachable) };
}

async function cluster(options: StackOptions, directory: string, start: Start): Promise<Settings> {
  const choice = options.cluster;
  if (choice.kind === "kubeconfig") return { KUBECONFIG: choice.file, JOB_NAMESPACE: choice.namespace };
  const namespace = options.settings["JOB_NAMESPACE"] ?? "dispatcher-jobs";
  const args = ["--directory", join(directory, "cluster"), "--namespace", namespace];
  const { ready } = await start({ name: "cluster", program: "local/cluster", args, stopTimeoutMs: 10_000 });
  return { KUBECONFIG: text(ready, "kubeconfig"), JOB_NAMESPACE: namespace };
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

function text(ready: Part["ready"], name: string): string {
  const value = ready[name];
  if (typeof value !== "string")
    throw new Error(`the stack could not read the ${name} in the first line of a part: ${JSON.stringify(ready)}`);
  return value;
}
