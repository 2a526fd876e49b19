import { ConfigError } from "./errors.ts";
import type { BodyAccess } from "./ports/payload-store.ts";
import {
  checkProxy,
  readServiceBus,
  readStorage,
  type ServiceBusSettings,
  type StorageSettings,
} from "./settings/connection-settings.ts";
import { readLocalSettings } from "./settings/local-settings.ts";
import { type PageSettings, readPageSettings } from "./settings/page-settings.ts";
import { SettingReader } from "./settings/setting-reader.ts";
import { misspeltSettings, unknownSettings } from "./settings/unknown-settings.ts";

/** The app's settings, checked. Durations are milliseconds. */
export interface Settings {
  readonly serviceBus: ServiceBusSettings;
  readonly tables: StorageSettings;
  readonly blobs: StorageSettings;
  /**
   * The client id of the app's identity, if it is set, for advice in errors. `DefaultAzureCredential` reads the same
   * variable.
   */
  readonly clientId: string | undefined;
  readonly instance: string;
  readonly tableName: string;
  readonly jobNamespace: string;
  readonly bodyAccess: BodyAccess;
  readonly kubeconfig: string | undefined;
  readonly modulesDir: string;
  readonly reconcileSchedule: string;
  readonly lockDurationMs: number;
  readonly jobRetentionMs: number;
  /** Undefined unless the app sleeps while there are no messages. */
  readonly kedaVersion: string | undefined;
  readonly historyRetentionMs: number;
  /** Undefined unless the app serves its page. */
  readonly page: PageSettings | undefined;
}

/**
 * Reads the settings from the environment. Throws one ConfigError with a line for each mistake, which never shows a
 * secret.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>> = process.env): Settings {
  const read = new SettingReader(env);
  const serviceBus = readServiceBus(read);
  const { tables, blobs } = readStorage(read);
  checkProxy(read);
  const settings = {
    serviceBus,
    tables,
    blobs,
    clientId: env["AZURE_CLIENT_ID"]?.trim() || undefined,
    instance: read.matching("DISPATCHER_INSTANCE", label(40), "lower-case letters, digits and hyphens, at most 40"),
    // The table service reserves the name `tables`.
    tableName: read.matching(
      "DISPATCHER_TABLE",
      /^(?!tables$)[a-z][a-z\d]{2,62}$/i,
      "3 to 63 letters and digits, a letter first, and not `tables`",
    ),
    jobNamespace: read.matching("JOB_NAMESPACE", label(63), "the name of a Kubernetes namespace"),
    bodyAccess: readBodyAccess(read),
    kubeconfig: read.optional("KUBECONFIG"),
    modulesDir: read.text("MODULES_DIR"),
    reconcileSchedule: read.schedule("RECONCILE_SCHEDULE"),
    lockDurationMs: read.duration("LOCK_DURATION", "5s", "5m"),
    // A replica that slept may create a Job by a row that it read a minute ago. Until then the finished Job has to keep
    // its name taken.
    jobRetentionMs: read.duration("JOB_RETENTION", "2m", "365d"),
    kedaVersion: read.optional("KEDA_VERSION"),
    // The row locks its message's identity, and has to outlive every trigger that slept.
    historyRetentionMs: read.duration("HISTORY_RETENTION", "1d", "3650d"),
    page: readPageSettings(read),
  };
  if (read.problems.length > 0) throw new ConfigError(read.problems.join("\n"));
  return settings;
}

/**
 * Reads the settings as a command does: from the environment, and those that it does not set from the `Values` of a
 * local.settings.json. An empty variable sets nothing. Puts the file's values into `env`, as the Functions host does,
 * because the SDKs read HTTPS_PROXY and AZURE_CLIENT_ID there. Throws as `readConfig` does.
 */
export async function readConfigOver(
  file: string,
  env: Record<string, string | undefined> = process.env,
): Promise<Settings> {
  const values = Object.entries(await readLocalSettings(file));
  for (const [name, value] of values) if (!env[name]?.trim()) env[name] = value;
  return readConfig(env);
}

/**
 * Says which settings no program reads: names in the `Values` of a local.settings.json, and slips of the pen in the
 * environment. Ask before `readConfigOver`, which puts the file's values into the environment.
 */
export async function strayNames(
  file: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string[]> {
  const values = await readLocalSettings(file);
  return [...unknownSettings(values).map((text) => `${file}: ${text}`), ...misspeltSettings(env)];
}

function readBodyAccess(read: SettingReader): BodyAccess {
  const value = read.text("PAYLOADS");
  if (value === "inline" || value === "identity") return value;
  read.refuse("PAYLOADS", "inline or identity");
  return "inline";
}

function label(length: number): RegExp {
  return new RegExp(`^(?=.{1,${length}}$)[a-z\\d]([-a-z\\d]*[a-z\\d])?$`);
}
