import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KubeConfig } from "@kubernetes/client-node";
import { z } from "zod";
import { KubernetesFailure, NoAnswerError } from "../../shared/adapters/kubernetes/answer.ts";
import { loadKubeConfig } from "../../shared/adapters/kubernetes/config.ts";
import { connect } from "../../shared/adapters/kubernetes/connection.ts";
import { readConfig } from "../../shared/config.ts";
import { ConfigError } from "../../shared/errors.ts";
import { SETTINGS } from "../../shared/settings/settings.ts";
import { Refusal } from "../refusal.ts";
import type { Found } from "./find-target.ts";
import type { TargetFlags } from "./flags.ts";

/** The label that the chart gives to what it makes. */
const OURS = "app.kubernetes.io/name=dispatcher";
/** The namespace that docs/deploy.md installs the chart in. */
const USUAL_NAMESPACE = "dispatcher";
const TIMEOUT_MS = 15_000;
/** What is true in the pod alone: its proxy, its files and its account. */
const OF_THE_POD = ["HTTPS_PROXY", "NO_PROXY", "KUBECONFIG", "MODULES_DIR"];

const keyRef = z.object({ name: z.string(), key: z.string() });
const variable = z.object({
  name: z.string(),
  value: z.string().optional(),
  valueFrom: z.object({ secretKeyRef: keyRef.optional(), configMapKeyRef: keyRef.optional() }).optional(),
});
const container = z.object({
  name: z.string(),
  env: z.array(variable).default([]),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })).default([]),
});
const volume = z.object({ name: z.string(), configMap: z.object({ name: z.string() }).optional() });
const deployments = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      spec: z.object({
        template: z.object({
          spec: z.object({ containers: z.array(container), volumes: z.array(volume).default([]) }),
        }),
      }),
    }),
  ),
});
const withData = z.object({ data: z.record(z.string(), z.string()).default({}) });

type Deployment = z.output<typeof deployments>["items"][number];
type Variable = z.output<typeof variable>;
/** Reads an object of the namespace, by its API and its path there. `what` names it for a person. */
type Get = (api: "/api/v1" | "/apis/apps/v1", path: string, what: string) => Promise<unknown>;

/**
 * Reads settings and modules of the release that the chart installed in a namespace, with the operator's own
 * kubeconfig. Rejects with a Refusal or a ConfigError if there is none, or something of it may not be read.
 */
export async function readRelease({ context, namespace: named }: TargetFlags): Promise<Found> {
  const kubeConfig = kubeConfigOf(context);
  const own = kubeConfig.getContextObject(kubeConfig.getCurrentContext())?.namespace;
  const namespace = named ?? own ?? USUAL_NAMESPACE;
  const place = `namespace ${namespace} of context ${kubeConfig.getCurrentContext()}`;
  const get = reader(kubeConfig, namespace, place);
  const kubectl = commandOfKubectl(context, namespace);
  const deployment = await theDeployment(get, place, kubectl);
  const app = appOf(deployment, place);

  const env: Record<string, string> = {};
  for (const one of app.env) {
    if (OF_THE_POD.includes(one.name) || !SETTINGS.some(({ name }) => name === one.name)) continue;
    const value = await valueOf(one, get, place);
    if (value !== undefined) env[one.name] = value;
  }
  const modules = await mkdtemp(join(tmpdir(), "dispatcher-modules-"));
  await copyModules(deployment, modules, get, place);
  return {
    kind: "release",
    words: `release ${deployment.metadata.name} in ${place}`,
    settings: readConfig({ ...env, MODULES_DIR: modules }),
    kubeConfig,
    copyModules: async () => copyModules(await theDeployment(get, place, kubectl), modules, get, place),
    cleanUp: () => rm(modules, { recursive: true, force: true }),
  };
}

const NOTHING_HERE =
  "There is no Dispatcher to ask: none runs on this machine, neither the environment nor local.settings.json names a bus and a storage account, and there is no kubeconfig. Start one with: dispatcher up. Or set KUBECONFIG to the kubeconfig of its cluster.";

/** How kubectl is told the same namespace, and the same context if the person named it. */
function commandOfKubectl(context: string | undefined, namespace: string): string {
  return `kubectl ${context === undefined ? "" : `--context '${context}' `}-n ${namespace}`;
}

function kubeConfigOf(context: string | undefined): KubeConfig {
  const kubeConfig = ownKubeConfig();
  if (context === undefined) return kubeConfig;
  const names = kubeConfig.getContexts().map(({ name }) => name);
  if (!names.includes(context))
    throw new Refusal(`The kubeconfig has no context ${context}. Give --context one of: ${names.join(", ")}`);
  kubeConfig.setCurrentContext(context);
  return kubeConfig;
}

/** Loads the operator's own kubeconfig. It is asked for last, so that without one there is nothing at all. */
function ownKubeConfig(): KubeConfig {
  try {
    return loadKubeConfig(undefined);
  } catch (error) {
    if (!(error instanceof ConfigError) || process.env["KUBECONFIG"]) throw error;
    // The error itself says nothing more: it names the places without a kubeconfig.
    throw new Refusal(NOTHING_HERE);
  }
}

function reader(kubeConfig: KubeConfig, namespace: string, place: string): Get {
  const connection = connect(kubeConfig, { timeoutMs: TIMEOUT_MS, userAgent: "dispatcher" });
  return async (api, path, what) => {
    try {
      return await connection.json({
        method: "GET",
        path: `${api}/namespaces/${encodeURIComponent(namespace)}/${path}`,
      });
    } catch (error) {
      if (error instanceof NoAnswerError)
        throw new Refusal(`The API server ${connection.server} can't be asked for ${what}: ${error.message}.`);
      if (!(error instanceof KubernetesFailure)) throw error;
      if (error.code === 403)
        throw new Refusal(`You may not read ${what} in ${place}. Ask for the right to get and list it there.`);
      throw new Refusal(`${what} in ${place} can't be read: ${error.message}`);
    }
  };
}

async function theDeployment(get: Get, place: string, kubectl: string): Promise<Deployment> {
  const answer = await get("/apis/apps/v1", `deployments?labelSelector=${encodeURIComponent(OURS)}`, "Deployments");
  const [found, another] = deployments.parse(answer).items;
  if (!found)
    throw new Refusal(
      `There is no Dispatcher in ${place}. Name the namespace of its release with --namespace, start one here with: dispatcher up, or set ServiceBus and AzureWebJobsStorage.`,
    );
  if (another)
    throw new Refusal(
      `There are two Dispatchers in ${place}, ${found.metadata.name} and ${another.metadata.name}. Run the command in the pod of one: ${kubectl} exec deploy/${found.metadata.name} -- node dist/cli/main.js`,
    );
  return found;
}

function appOf(deployment: Deployment, place: string) {
  const app = deployment.spec.template.spec.containers.find(({ name }) => name === "dispatcher");
  if (!app)
    throw new Refusal(
      `Deployment ${deployment.metadata.name} in ${place} has no container named dispatcher, so it is not of this chart.`,
    );
  return app;
}

/** Reads the value of a variable. The person's own environment stands in for a Secret that the person may not read. */
async function valueOf({ name, value, valueFrom }: Variable, get: Get, place: string): Promise<string | undefined> {
  if (value !== undefined) return value;
  const { secretKeyRef: secret, configMapKeyRef: configMap } = valueFrom ?? {};
  const ref = secret ?? configMap;
  if (ref === undefined) return undefined;
  const kind = secret ? "Secret" : "ConfigMap";
  try {
    const object = await get("/api/v1", `${kind.toLowerCase()}s/${ref.name}`, `${kind} ${ref.name}`);
    const found = withData.parse(object).data[ref.key];
    return found !== undefined && secret ? Buffer.from(found, "base64").toString() : found;
  } catch (error) {
    const own = process.env[name]?.trim();
    if (own) return own;
    if (!(error instanceof Refusal)) throw error;
    throw new Refusal(
      `${name} of the Dispatcher in ${place} is in ${kind} ${ref.name}, key ${ref.key}. ${error.message} Or set ${name} in the environment.`,
    );
  }
}

/** Copies the module files that the pod has in its directory to a directory of this machine. */
async function copyModules(deployment: Deployment, directory: string, get: Get, place: string): Promise<void> {
  const app = appOf(deployment, place);
  const { spec } = deployment;
  const path = app.env.find(({ name }) => name === "MODULES_DIR")?.value;
  const mount = app.volumeMounts.find(({ mountPath }) => mountPath === path);
  const name = spec.template.spec.volumes.find((one) => one.name === mount?.name)?.configMap?.name;
  if (name === undefined)
    throw new Refusal(
      `The modules of the Dispatcher in ${place} are in no ConfigMap that is mounted at its MODULES_DIR. Run the command in its pod.`,
    );
  const { data } = withData.parse(await get("/api/v1", `configmaps/${name}`, `ConfigMap ${name}`));
  for (const file of await readdir(directory)) if (!Object.hasOwn(data, file)) await rm(join(directory, file));
  for (const [file, text] of Object.entries(data)) await writeFile(join(directory, file), text);
}
