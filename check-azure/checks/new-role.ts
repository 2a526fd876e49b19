import type { Azure } from "../azure.ts";
import { type Check, disproven, proven } from "../check.ts";
import { SOURCES } from "../check-values.ts";
import { DISPATCHER } from "../cluster.ts";
import { CommandError } from "../command.ts";

/** The roles with which the checks look at the cluster. They go with the resource group. */
const ROLES = ["Azure Kubernetes Service Cluster User Role", "Azure Kubernetes Service RBAC Cluster Admin"];
/** How long a new role takes at most, by what Microsoft and infra/deploy.sh say. */
const PROMISED_MINUTES = 10;
const PATIENCE_MINUTES = 20;

export const newRole: Check = {
  question: `Does a new role take effect within ${PROMISED_MINUTES} minutes?`,
  deed: "Made the principal of this run an administrator of the cluster, and waited until cluster and bus let it in.",
  minutes: 5,
  async run(azure) {
    await assignRoles(azure);
    const startedAt = azure.now();
    const isIn = await azure.until(() => letsIn(azure), PATIENCE_MINUTES);
    if (!isIn) return { ...disproven(`The roles had no effect after ${PATIENCE_MINUTES} minutes.`), endsAll: true };
    const minutes = (azure.now() - startedAt) / 60_000;
    const what = `The roles took effect after ${minutes.toFixed(1)} minutes.`;
    return minutes <= PROMISED_MINUTES ? proven(what) : disproven(what);
  },
};

async function assignRoles(azure: Azure): Promise<void> {
  const { az, environment, principalId } = azure;
  const principal = ["--assignee-object-id", principalId, "--assignee-principal-type", "ServicePrincipal"];
  const scope = await az("group", "show", "--name", environment.group, "--query", "id", "--output", "tsv");
  for (const role of ROLES)
    await az("role", "assignment", "create", "--role", role, ...principal, "--scope", scope, "--output", "none");
}

async function letsIn({ getCredentials, kubectl, bus }: Azure): Promise<boolean> {
  try {
    await getCredentials();
    await kubectl("get", "pods", ...DISPATCHER);
    await bus.peek(SOURCES.codes);
    return true;
  } catch (error) {
    if (error instanceof CommandError || isRefused(error)) return false;
    throw error;
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "UnauthorizedAccess";
}
