import type { KubeConfig } from "@kubernetes/client-node";
import { readConfig, readConfigOver, type Settings, strayNames } from "../../shared/config.ts";
import { readLocalSettings } from "../../shared/settings/local-settings.ts";
import { note } from "../text/print.ts";
import type { TargetFlags } from "./flags.ts";
import { untilStateIsSure } from "./stack-state.ts";

/** How to reach one Dispatcher. */
export interface Found {
  readonly settings: Settings;
  /** Where it is: the stack of this machine, named by settings, or a release in a cluster. */
  readonly kind: "stack" | "settings" | "release";
  /** Whether its app takes connections and says nothing. */
  readonly isSilent?: true;
  /** Its own words for a person, such as `release dispatcher in namespace dispatcher of context prod`. */
  readonly words: string;
  /** The cluster by the operator's own kubeconfig; undefined if the settings say which. */
  readonly kubeConfig?: KubeConfig;
  /** A sentence for each setting that no program reads. */
  readonly strays?: readonly string[];
  /** Copies the module files to this machine once more, if they are elsewhere. */
  readonly copyModules?: () => Promise<void>;
  /** Removes what was copied to this machine. */
  readonly cleanUp?: () => Promise<void>;
}

const SILENT =
  "The Dispatcher of this machine's stack does not answer: look what npm start prints. This goes on with its bus, storage and cluster.";
const LOCAL_SETTINGS = "local.settings.json";
const BUS = /^ServiceBus(__|$)/;
const STORAGE = /^AzureWebJobsStorage(__|$)/;

/**
 * Finds the Dispatcher that a command is about. A context or a namespace in the flags goes first, then an environment
 * that names both bus and storage, because it was set for this very command. Then follow the stack of this machine,
 * local.settings.json, and the current context of the kubeconfig. Rejects with a ConfigError, an UnavailableError or a
 * Refusal.
 */
export async function findTarget(flags: TargetFlags): Promise<Found> {
  if (flags.context !== undefined || flags.namespace !== undefined) return findRelease(flags);
  const found = await findOnThisMachine();
  if (found?.isSilent) note(SILENT);
  return found ?? findRelease({});
}

/** Finds the Dispatcher that this machine names: by its environment, its stack or its local.settings.json. */
export async function findOnThisMachine(): Promise<Found | undefined> {
  if (has(process.env, BUS) && has(process.env, STORAGE)) return findBySettings();
  const stack = await untilStateIsSure();
  if (stack)
    return {
      kind: "stack",
      words: "the stack of this machine",
      settings: readConfig(stack.settings),
      ...(stack.isSilent ? { isSilent: true } : {}),
    };
  const values = { ...(await readLocalSettings(LOCAL_SETTINGS)), ...process.env };
  return has(values, BUS) || has(values, STORAGE) ? findBySettings() : undefined;
}

async function findBySettings(): Promise<Found> {
  const strays = await strayNames(LOCAL_SETTINGS);
  const settings = await readConfigOver(LOCAL_SETTINGS);
  return { kind: "settings", words: `instance ${settings.instance}`, settings, strays };
}

async function findRelease(flags: TargetFlags): Promise<Found> {
  // Loaded only here, because it loads the client of Kubernetes.
  const { readRelease } = await import("./release.ts");
  return readRelease(flags);
}

function has(values: Readonly<Record<string, string | undefined>>, name: RegExp): boolean {
  return Object.entries(values).some(([key, value]) => name.test(key) && value?.trim());
}
