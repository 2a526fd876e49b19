import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CoreV1Api, KubeConfig } from "@kubernetes/client-node";
import type { Binaries } from "../../real-cluster/binaries.ts";
import type { ClusterRecord } from "../../real-cluster/cluster-record.ts";
import { importImages } from "../../real-cluster/containerd-client.ts";
import { startKeda } from "../../real-cluster/keda.ts";
import { installKedaCrds } from "../../real-cluster/keda-crds.ts";
import { KEDA_MODULES, type KedaRelease } from "../../real-cluster/keda-releases.ts";
import { programsOf } from "../../real-cluster/programs.ts";
import { appArchive } from "./app-image.ts";
import { CHART, makeHelm, RELEASE } from "./chart.ts";
import { closeAll } from "./close-all.ts";
import { makeNamespace, removeNamespace } from "./namespace.ts";
import { type ReachableServices, startReachableServices } from "./reachable-services.ts";
import { startWorkGate, type WorkGate } from "./work-gate.ts";

const IMAGE = { repository: "localhost/dispatcher-standalone", tag: "test" };
const SECRET = "connections";
const LOCK_S = 10;
/** So many minutes that no test lasts as long. */
export const HOURS_LATER = 6 * 60;

export interface InstallOptions {
  /** The name of the namespace. Its Jobs get another one. */
  readonly name: string;
  /** Makes the module documents. Their workers run `script`, with which they wait at the gate. */
  readonly modules: (script: string) => readonly { readonly name: string; readonly source: object }[];
  readonly entities: Parameters<typeof startReachableServices>[1];
  readonly cooldownS: number;
  readonly keda: KedaRelease;
}

/** The Dispatcher on a cluster, as its users install it, with KEDA beside it. */
export interface InstalledDispatcher {
  readonly kubeConfig: KubeConfig;
  readonly binaries: Binaries;
  readonly namespace: string;
  readonly services: ReachableServices;
  readonly gate: WorkGate;
  /** Has the app wake by itself in so many minutes. Resolves once KEDA has been told. */
  wakeIn(minutes: number): Promise<void>;
  /** Takes everything down again, as a user would where the product has a way for it. */
  remove(): Promise<void>;
}

/**
 * Installs the chart with helm on a cluster of this machine, so that the app sleeps while there are no messages. Bus
 * and storage are a test's own, the image is the standalone one, and KEDA runs beside the cluster. Missing programs are
 * built first, which takes minutes the first time.
 */
export async function installDispatcher(record: ClusterRecord, options: InstallOptions): Promise<InstalledDispatcher> {
  const closing: (() => Promise<unknown>)[] = [];
  const remove = () => closeAll(closing);
  try {
    const binaries = await programsOf(["kubernetes", "containerd", "helm", KEDA_MODULES[options.keda]]);
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromFile(record.kubeconfig);
    const services = await startReachableServices(record.gateway, options.entities);
    closing.push(() => services.close());
    const gate = await startWorkGate(record.gateway);
    closing.push(() => gate.close());
    await importImages(record, binaries, await appArchive(`${IMAGE.repository}:${IMAGE.tag}`));
    await installKedaCrds(record.kubeconfig, binaries, options.keda);

    const namespace = await makeNamespace(kubeConfig, options.name);
    closing.push(() => namespace.remove());
    // The chart makes this namespace, and leaves it when it is uninstalled.
    const jobNamespace = `${options.name}-jobs`;
    closing.push(() => removeNamespace(kubeConfig, jobNamespace));
    await makeSecret(kubeConfig, namespace.name, services);
    const keda = await startKeda({ record, binaries, namespace: namespace.name, trusted: services.certificate });
    closing.push(() => keda.stop());
    const directory = join(record.directory, `helm-${namespace.name}`);
    await mkdir(directory);
    const file = join(directory, "values.json");
    await writeFile(file, JSON.stringify(valuesOf(options, jobNamespace, gate)));
    const helm = makeHelm(binaries, directory, { KUBECONFIG: record.kubeconfig, HELM_NAMESPACE: namespace.name });
    // Uninstalls also if the install failed. KEDA must still run then, because it has to let its object go.
    closing.push(() => helm("uninstall", RELEASE, "--wait", "--ignore-not-found", "--timeout=60s"));
    await helm("install", RELEASE, CHART, `--values=${join(CHART, "values.scale-to-zero.yaml")}`, `--values=${file}`);
    return {
      kubeConfig,
      binaries,
      namespace: namespace.name,
      services,
      gate,
      async wakeIn(minutes) {
        const { start, end } = wakeUpIn(minutes);
        const wakeUp = [`scaling.wakeUp.start=${start}`, `scaling.wakeUp.end=${end}`];
        await helm("upgrade", RELEASE, CHART, "--reuse-values", ...wakeUp.map((value) => `--set-literal=${value}`));
      },
      remove,
    };
  } catch (error) {
    await remove().catch(() => {});
    throw error;
  }
}

async function makeSecret(kubeConfig: KubeConfig, namespace: string, services: ReachableServices): Promise<void> {
  const stringData = { "service-bus": services.serviceBus, storage: services.storage };
  await kubeConfig
    .makeApiClient(CoreV1Api)
    .createNamespacedSecret({ namespace, body: { metadata: { name: SECRET }, stringData } });
}

/** The values that a user without Entra ID writes, and shorter times. */
function valuesOf({ modules, cooldownS }: InstallOptions, jobNamespace: string, gate: WorkGate): object {
  return {
    image: { ...IMAGE, pullPolicy: "Never" },
    jobNamespace,
    serviceBus: { connectionStringSecret: { name: SECRET, key: "service-bus" } },
    storage: { connectionStringSecret: { name: SECRET, key: "storage" } },
    settings: { reconcileSchedule: "*/2 * * * * *", lockDuration: `${LOCK_S}s` },
    scaling: {
      pollingInterval: 1,
      cooldownPeriod: cooldownS,
      // Not the truth for every release. These tests show what the chart's demand is good for.
      kedaVersion: "2.19",
      wakeUp: wakeUpIn(HOURS_LATER),
    },
    modules: modules(gate.script),
  };
}

/** The app wakes by itself in so many minutes, and stays awake for two. */
function wakeUpIn(minutes: number): { readonly start: string; readonly end: string } {
  const cron = (after: number) => {
    const at = new Date(Date.now() + after * 60_000);
    return `${at.getUTCMinutes()} ${at.getUTCHours()} * * *`;
  };
  return { start: cron(minutes), end: cron(minutes + 2) };
}
