import { resolve } from "node:path";
import { strayNames } from "../../shared/config.ts";
import { readLocalSettings } from "../../shared/settings/local-settings.ts";
import { SETTINGS } from "../../shared/settings/settings.ts";
import { isReal } from "./is-real.ts";

/** The settings of the host and of `DefaultAzureCredential`, and how to reach a connection by identity. */
const OF_OTHERS = /^(AzureFunctionsJobHost__|AZURE_|ServiceBus__|AzureWebJobsStorage__)/;
const CONNECTIONS = ["ServiceBus", "AzureWebJobsStorage"];
const PROXY = ["HTTPS_PROXY", "NO_PROXY"];
const TRANSPORT = "AzureFunctionsJobHost__extensions__serviceBus__transportType";
/** `--kubeconfig` names the cluster of the stack, because most developers have a KUBECONFIG for something else. */
const BY_FLAG = ["KUBECONFIG"];

export interface StackSettings {
  readonly settings: Readonly<Record<string, string>>;
  /** A sentence for each name that no program reads. */
  readonly warnings: readonly string[];
}

/**
 * Reads the settings that a person gives the stack: those of the environment, over the Values of a
 * local.settings.json. An empty one counts as absent. The path of the modules is absolute in the answer; in the file it
 * is relative to `root`. Throws a ConfigError if the file is wrong.
 *
 * A development bus or storage is left out, because its connection string names a server that doesn't run here. What
 * says how to reach a service of Azure is left out too if no such service is named.
 */
export async function readStackSettings(
  root: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<StackSettings> {
  const file = resolve(root, "local.settings.json");
  const values = await readLocalSettings(file);
  const names = Object.keys(env).filter((name) => OF_OTHERS.test(name) || SETTINGS.some((one) => one.name === name));
  const given = {
    ...filled(values),
    ...(values["MODULES_DIR"]?.trim() ? { MODULES_DIR: resolve(root, values["MODULES_DIR"]) } : {}),
    ...filled(Object.fromEntries(names.map((name) => [name, env[name]]))),
    ...(env["MODULES_DIR"]?.trim() ? { MODULES_DIR: resolve(env["MODULES_DIR"]) } : {}),
  };
  const settings = withoutUseless(given);
  return {
    settings: settings["HTTPS_PROXY"] === undefined ? settings : { ...settings, NO_PROXY: withLoopback(settings) },
    warnings: await strayNames(file, env),
  };
}

function withoutUseless(given: Readonly<Record<string, string>>): Record<string, string> {
  const isDevelopment = (name: string) => CONNECTIONS.includes(name) && !isReal({ [name]: given[name] ?? "" }, name);
  const named = Object.fromEntries(Object.entries(given).filter(([name]) => !isDevelopment(name)));
  const isAzureUsed = CONNECTIONS.some((connection) => isReal(named, connection));
  const isUseless = (name: string) =>
    BY_FLAG.includes(name) ||
    (name === TRANSPORT && !isReal(named, "ServiceBus")) ||
    ((PROXY.includes(name) || name.startsWith("AZURE_")) && !isAzureUsed);
  return Object.fromEntries(Object.entries(named).filter(([name]) => !isUseless(name)));
}

/** The servers of the stack are reached without the proxy. */
function withLoopback({ NO_PROXY }: Readonly<Record<string, string>>): string {
  return [...(NO_PROXY === undefined ? [] : [NO_PROXY]), "127.0.0.1"].join(",");
}

function filled(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).flatMap(([name, value]) => (value?.trim() ? [[name, value]] : [])));
}
