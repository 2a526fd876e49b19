import type { BareCluster } from "../../local/kit/cluster-access.ts";

/** A ServiceAccount whose requests are counted. */
export interface Account {
  readonly name: string;
  readonly namespace: string;
}

/**
 * Makes the FlowSchema of an account, so that the API server counts its requests apart. They get the priority that
 * those of ServiceAccounts have anyway.
 */
export function flowSchemaOf({ name, namespace }: Account): object {
  return {
    apiVersion: "flowcontrol.apiserver.k8s.io/v1",
    kind: "FlowSchema",
    metadata: { name: schemaName({ name, namespace }) },
    spec: {
      // Comes before `service-accounts`, which has 9000.
      matchingPrecedence: 8000,
      priorityLevelConfiguration: { name: "workload-low" },
      distinguisherMethod: { type: "ByUser" },
      rules: [
        {
          subjects: [{ kind: "ServiceAccount", serviceAccount: { name, namespace } }],
          resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"], namespaces: ["*"], clusterScope: true }],
          nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
        },
      ],
    },
  };
}

/** Resolves to how many requests of the account the API server has taken on so far. A watch is one. */
export async function requestsOf(admin: BareCluster, account: Account): Promise<number> {
  return readRequests(await admin.ask("GET", "/metrics", { accept: "text/plain" }), account);
}

/** Reads the same from the API server's metrics. */
export function readRequests(metrics: string, account: Account): number {
  const lines = metrics.matchAll(/^apiserver_flowcontrol_dispatched_requests_total\{(.*)\} (\S+)$/gm);
  let sum = 0;
  for (const [, labels = "", count = ""] of lines)
    if (labels.includes(`flow_schema="${schemaName(account)}"`)) sum += Number(count);
  return sum;
}

function schemaName({ name, namespace }: Account): string {
  return `${namespace}-${name}`;
}
