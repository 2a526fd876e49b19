import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CoreV1Api } from "@kubernetes/client-node";
import type { ClusterRecord } from "./cluster-record.ts";
import { type Credentials, NODE_NAME } from "./credentials.ts";
import type { PodNetwork } from "./network.ts";
import { waitUntilReady } from "./server-process.ts";
import type { StartPart } from "./start-part.ts";

export interface FakeNodes {
  readonly record: ClusterRecord;
  readonly network: PodNetwork;
  readonly keys: Credentials;
  /** The port that serves the logs. */
  readonly port: number;
  readonly count: number;
}

const READY_TIMEOUT_MS = 60_000;
const API = "kwok.x-k8s.io/v1alpha1";
const LOG_LINE = "the work of a pod that never ran";

/**
 * Starts kwok and makes its nodes, which carry thousands of pods without a container. As far as the API server can
 * tell, the pods are scheduled, run, end and are deleted. A pod runs for as long as its first container's first
 * argument says (`sleep 5s`), and succeeds; each has a log of one line. Resolves when pods can be put on the nodes.
 */
export async function startFakeNodes(start: StartPart, core: CoreV1Api, parts: FakeNodes): Promise<void> {
  const { record, network, keys, port, count } = parts;
  const log = join(record.directory, "pods.log");
  const config = join(record.directory, "kwok.yaml");
  // The log's form is that of a container runtime.
  await writeFile(log, `${new Date().toISOString()} stdout F ${LOG_LINE}\n`);
  const documents = [nodeReady(), podRunning(), podComplete(), podDeleted(), clusterLogs(log)];
  // JSON is YAML, so kwok reads it.
  await writeFile(config, documents.map((document) => JSON.stringify(document)).join("\n---\n"));
  const kwok = await start("kwok", [
    `--config=${config}`,
    `--kubeconfig=${record.kubeconfig}`,
    "--manage-all-nodes=true",
    // At a lower level kwok writes a line for each pod and heartbeat.
    "--v=WARN",
    "--node-lease-duration-seconds=40",
    // By this name the API server finds the port below, and so the logs. The address is required, but not used.
    `--node-name=${NODE_NAME}`,
    `--node-ip=${network.gateway}`,
    `--node-port=${port}`,
    `--server-address=127.0.0.1:${port}`,
    `--tls-cert-file=${keys.serverCert}`,
    `--tls-private-key-file=${keys.serverKey}`,
  ]);
  for (let index = 0; index < count; index += 1)
    await core.createNode({ body: { metadata: { name: `fake-${index}` } } });
  await waitUntilReady(kwok, READY_TIMEOUT_MS, async () => {
    const { items } = await core.listNode();
    const isReady = items.every(({ spec, status }) => {
      const ready = status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True");
      return ready === true && (spec?.taints ?? []).length === 0;
    });
    await core.readNamespacedServiceAccount({ name: "default", namespace: "default" });
    return items.length === count && isReady;
  });
}

/**
 * Tells kwok what to do to an object that matches the expressions. The template is a Go template whose output is YAML.
 */
function stage(name: string, kind: "Node" | "Pod", matchExpressions: readonly object[], rest: object): object {
  const resourceRef = { apiGroup: "v1", kind };
  return {
    apiVersion: API,
    kind: "Stage",
    metadata: { name },
    spec: { resourceRef, selector: { matchExpressions }, ...rest },
  };
}

const isAlive = { key: ".metadata.deletionTimestamp", operator: "DoesNotExist" };

function nodeReady(): object {
  const isNot = {
    key: '.status.conditions.[] | select( .type == "Ready" ) | .status',
    operator: "NotIn",
    values: ["True"],
  };
  const statusTemplate = `
{{ $now := Now | Quote }}
conditions:
- { type: Ready, status: "True", reason: KubeletReady, message: "", lastHeartbeatTime: {{ $now }}, lastTransitionTime: {{ $now }} }
addresses:
- { type: InternalIP, address: {{ NodeIP | Quote }} }
- { type: Hostname, address: {{ NodeName | Quote }} }
daemonEndpoints: { kubeletEndpoint: { Port: {{ NodePort }} } }
allocatable: { cpu: 10k, memory: 10Ti, pods: 100k }
capacity: { cpu: 10k, memory: 10Ti, pods: 100k }
`;
  return stage("node-ready", "Node", [isNot], { next: { statusTemplate } });
}

function podRunning(): object {
  const statusTemplate = `
{{ $now := Now | Quote }}
conditions:
- { type: Initialized, status: "True", lastTransitionTime: {{ $now }} }
- { type: Ready, status: "True", lastTransitionTime: {{ $now }} }
- { type: ContainersReady, status: "True", lastTransitionTime: {{ $now }} }
containerStatuses:
{{ range .spec.containers }}
- { name: {{ .name | Quote }}, image: {{ .image | Quote }}, ready: true, started: true, restartCount: 0, state: { running: { startedAt: {{ $now }} } } }
{{ end }}
phase: Running
startTime: {{ $now }}
`;
  const isPending = { key: ".status.phase", operator: "In", values: ["Pending"] };
  return stage("pod-running", "Pod", [isAlive, isPending], { next: { statusTemplate } });
}

function podComplete(): object {
  const statusTemplate = `
{{ $now := Now | Quote }}
{{ $startedAt := .status.startTime | Quote }}
conditions:
- { type: Ready, status: "False", reason: PodCompleted, lastTransitionTime: {{ $now }} }
- { type: ContainersReady, status: "False", reason: PodCompleted, lastTransitionTime: {{ $now }} }
containerStatuses:
{{ range .spec.containers }}
- { name: {{ .name | Quote }}, image: {{ .image | Quote }}, ready: false, started: false, restartCount: 0, state: { terminated: { exitCode: 0, reason: Completed, startedAt: {{ $startedAt }}, finishedAt: {{ $now }} } } }
{{ end }}
phase: Succeeded
`;
  const isRunning = { key: ".status.phase", operator: "In", values: ["Running"] };
  const delay = { durationFrom: { expressionFrom: ".spec.containers.[0].args.[0]" } };
  return stage("pod-complete", "Pod", [isAlive, isRunning], { delay, next: { statusTemplate } });
}

function podDeleted(): object {
  return stage("pod-deleted", "Pod", [{ ...isAlive, operator: "Exists" }], { next: { delete: true } });
}

function clusterLogs(logsFile: string): object {
  return { apiVersion: API, kind: "ClusterLogs", metadata: { name: "logs" }, spec: { logs: [{ logsFile }] } };
}
