import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseDuration } from "../../shared/duration.ts";
import type { Source } from "../../shared/run/source.ts";
import { startTcpProxy } from "../kit/tcp-proxy.ts";
import { busEntities } from "./bus-entities.ts";
import { isReal } from "./is-real.ts";
import { busKeyFileIn } from "./kept-state.ts";
import type { Part, PartOptions } from "./part.ts";
import type { StackOptions } from "./start-stack.ts";

/** How long the local broker's locks last. They are short, so that a message whose function died comes again soon. */
export const LOCK_MS = 30_000;

type Start = (part: Omit<PartOptions, "env" | "onLine" | "onSpawn">) => Promise<Part>;
export type Settings = Record<string, string>;

/** What each server needs to start. */
export interface ServerPlace {
  readonly options: StackOptions;
  /** The directory of this stack. */
  readonly directory: string;
  readonly start: Start;
  /** What is to be done when the stack ends. */
  readonly cleanUps: (() => Promise<unknown>)[];
}

/** Starts the bus with the queues and topics of these sources, unless the settings name a real one. */
export async function startBus(place: ServerPlace, sources: readonly Source[], port?: number): Promise<Settings> {
  const { options, directory, start } = place;
  if (isReal(options.settings, "ServiceBus")) return {};
  const file = join(directory, "entities.json");
  // The app refuses a duration that is none, in words of its own.
  const lockDurationMs = parseDuration(options.settings["LOCK_DURATION"] ?? "") ?? LOCK_MS;
  await writeFile(file, JSON.stringify(busEntities(sources, { lockDurationMs, filters: options.filters })));
  const args = ["--entities", file, "--port", String(port ?? options.ports?.bus ?? 0)];
  if (options.busKey !== undefined) args.push("--key", options.busKey);
  // The key must not be an argument, because every user of the machine sees those.
  else if (options.stateDir !== undefined) args.push("--key-file", await busKeyFileIn(options.stateDir));
  if (options.stateDir !== undefined) args.push("--journal", join(directory, "bus", "journal"));
  const { ready } = await start({ name: "broker", program: "local/broker", args, stopTimeoutMs: 5_000 });
  return { ServiceBus: text(ready, "connectionString") };
}

/** Starts storage, unless the settings name a real one. */
export async function startStorage({ options, directory, start, cleanUps }: ServerPlace): Promise<Settings> {
  const { settings, cluster, stateDir } = options;
  if (isReal(settings, "AzureWebJobsStorage")) return {};
  const kept = join(directory, "storage");
  if (stateDir !== undefined) await mkdir(kept, { recursive: true });
  const args = stateDir === undefined ? [] : ["--directory", kept];
  const { ready } = await start({ name: "storage", program: "local/azurite", args, stopTimeoutMs: 8_000 });
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

/** Starts the stand-in for a cluster, unless a real one was chosen. */
export async function startJobs({ options, directory, start }: ServerPlace): Promise<Settings> {
  const choice = options.cluster;
  if (choice.kind === "kubeconfig") return { KUBECONFIG: choice.file, JOB_NAMESPACE: choice.namespace };
  const namespace = options.settings["JOB_NAMESPACE"] ?? "dispatcher-jobs";
  const args = ["--directory", join(directory, "cluster"), "--namespace", namespace];
  if (options.stateDir !== undefined) args.push("--remember");
  const { ready } = await start({ name: "cluster", program: "local/cluster", args, stopTimeoutMs: 10_000 });
  return { KUBECONFIG: text(ready, "kubeconfig"), JOB_NAMESPACE: namespace };
}

function text(ready: Part["ready"], name: string): string {
  const value = ready[name];
  if (typeof value !== "string")
    throw new Error(`the stack could not read the ${name} in the first line of a part: ${JSON.stringify(ready)}`);
  return value;
}
