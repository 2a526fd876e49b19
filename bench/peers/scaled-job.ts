import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { QueueConfig } from "../../local/broker/entities.ts";
import { kubeconfigText } from "../../local/cluster/kubeconfig.ts";
import { readAccess } from "../../local/kit/cluster-access.ts";
import { startKeda } from "../../real-cluster/keda.ts";
import { ABSENT_IMAGE, type Contender, IMAGE, RESOURCES, SLOTS, type Stage, TRIES } from "./contender.ts";
import { KINDS, type Kind } from "./order.ts";

/** How long a lock lasts. It is short, because nobody else gets the message of a worker that died before it ends. */
const LOCK_MS = 30_000;
/** How often a message is delivered. The first is the service's default. */
const DELIVERIES = { work: 10, dying: TRIES, broken: 10, good: 10 } as const satisfies Record<Kind, number>;

const SECRET = "service-bus";
/** The name of the ServiceAccount of KEDA's operator. */
export const KEDA_ACCOUNT = "keda";

/** The queues of ScaledJobs that are polled every so many seconds. */
export function scaledJobQueues(pollSeconds: number): QueueConfig[] {
  return KINDS.map((kind) => ({
    name: queueOf(pollSeconds, kind),
    lockDurationMs: LOCK_MS,
    maxDeliveryCount: DELIVERIES[kind],
  }));
}

function queueOf(pollSeconds: number, kind: Kind): string {
  return `keda-${pollSeconds}-${kind}`;
}

/**
 * Starts KEDA with a ScaledJob for each kind of message, and resolves when all are ready. KEDA polls each one's queue
 * every so many seconds.
 */
export async function startScaledJobs(
  { kubectl, bus, reports, cluster, record, binaries }: Stage,
  pollSeconds: number,
): Promise<Contender> {
  const { namespace } = cluster;
  const inNamespace = ["--namespace", namespace];
  const url = reports.url;
  const objects = [
    secretOf(bus.connectionString),
    TRIGGER_AUTHENTICATION,
    ...KINDS.map((kind) => scaledJobOf(kind, pollSeconds, url)),
  ];
  await kubectl(
    [...inNamespace, "apply", "--filename=-"],
    JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }),
  );
  const token = await kubectl([...inNamespace, "create", "token", KEDA_ACCOUNT, "--duration=2h"]);
  const kubeconfig = join(record.directory, "keys", `keda-${pollSeconds}.kubeconfig`);
  const access = await readAccess(record.kubeconfig);
  await writeFile(kubeconfig, kubeconfigText({ name: "keda", ...access, token }), { mode: 0o600 });
  const keda = await startKeda({ record, binaries, kubeconfig, namespace, trusted: bus.certificate });
  await kubectl([...inNamespace, "wait", "--for=condition=Ready", "--timeout=60s", "scaledjobs", "--all"]);
  return {
    name: `ScaledJob, ${pollSeconds} s`,
    id: `keda-${pollSeconds}`,
    pid: keda.pid,
    account: { name: KEDA_ACCOUNT, namespace },
    brokenJobs: "scaledjob.keda.sh/name=broken",
    queueOf: (kind) => queueOf(pollSeconds, kind),
    async stop() {
      // KEDA must still run, because it has to let its objects go.
      await kubectl([...inNamespace, "delete", "scaledjobs", "--all", "--timeout=60s"]);
      await keda.stop();
    },
  };
}

function secretOf(connection: string): object {
  return { apiVersion: "v1", kind: "Secret", metadata: { name: SECRET }, stringData: { connection } };
}

const TRIGGER_AUTHENTICATION = {
  apiVersion: "keda.sh/v1alpha1",
  kind: "TriggerAuthentication",
  metadata: { name: SECRET },
  spec: { secretTargetRef: [{ parameter: "connection", name: SECRET, key: "connection" }] },
};

/** A ScaledJob that starts one Job for each message. The bus tries again, not the Job. */
function scaledJobOf(kind: Kind, pollSeconds: number, reportUrl: string): object {
  const queueName = queueOf(pollSeconds, kind);
  const container = {
    name: "worker",
    image: kind === "broken" ? ABSENT_IMAGE : IMAGE,
    args: ["-report", reportUrl, "-queue", queueName],
    env: [{ name: "SERVICE_BUS", valueFrom: { secretKeyRef: { name: SECRET, key: "connection" } } }],
    resources: RESOURCES,
  };
  const spec = { automountServiceAccountToken: false, restartPolicy: "Never", containers: [container] };
  return {
    apiVersion: "keda.sh/v1alpha1",
    kind: "ScaledJob",
    metadata: { name: kind },
    spec: {
      jobTargetRef: { parallelism: 1, completions: 1, backoffLimit: 0, template: { spec } },
      pollingInterval: pollSeconds,
      maxReplicaCount: SLOTS[kind],
      triggers: [
        {
          type: "azure-servicebus",
          metadata: { queueName, messageCount: "1" },
          authenticationRef: { name: SECRET },
        },
      ],
    },
  };
}
