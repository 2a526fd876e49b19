import { sign } from "node:crypto";
import { CoreV1Api, type KubeConfig, RbacAuthorizationV1Api } from "@kubernetes/client-node";
import type { Right } from "../shared/ports/rights.ts";

const NAME = "dispatcher";

/** The Dispatcher's own identity in a namespace, and its rights there. */
export interface DispatcherAccount {
  /** Replaces the Role's rules. The API server takes a moment to notice. */
  grant(rights: readonly Right[]): Promise<void>;
  /** A token of the ServiceAccount, for an hour. */
  token(): Promise<string>;
}

/**
 * Makes a ServiceAccount and a Role of exactly these rights in `namespace`. With `home`, the account itself is in that
 * namespace.
 */
export async function makeAccount(
  kubeConfig: KubeConfig,
  namespace: string,
  rights: readonly Right[],
  home = namespace,
): Promise<DispatcherAccount> {
  const core = kubeConfig.makeApiClient(CoreV1Api);
  const rbac = kubeConfig.makeApiClient(RbacAuthorizationV1Api);
  const metadata = { name: NAME };
  if (!(await exists(core.readNamespacedServiceAccount({ namespace: home, name: NAME }))))
    await core.createNamespacedServiceAccount({ namespace: home, body: { metadata } });
  await rbac.createNamespacedRole({ namespace, body: { metadata, rules: rulesOf(rights) } });
  await rbac.createNamespacedRoleBinding({
    namespace,
    body: {
      metadata,
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: NAME },
      subjects: [{ kind: "ServiceAccount", name: NAME, namespace: home }],
    },
  });
  return {
    async grant(given) {
      await rbac.replaceNamespacedRole({ namespace, name: NAME, body: { metadata, rules: rulesOf(given) } });
    },
    async token() {
      const { status } = await core.createNamespacedServiceAccountToken({
        namespace: home,
        name: NAME,
        body: { spec: { audiences: [], expirationSeconds: 3_600 } },
      });
      return status?.token ?? "";
    },
  };
}

/** How long after its `exp` the API server still takes a token, because clocks differ. */
const LEEWAY_SECONDS = 60;

/**
 * Signs the same token again, so that the API server takes it for this many seconds more. The API server itself makes
 * none for less than ten minutes. `key` is the cluster's private key for tokens, PEM.
 */
export function expiringIn(seconds: number, token: string, key: string): string {
  const [header = "", payload = ""] = token.split(".");
  const claims: object = JSON.parse(Buffer.from(payload, "base64url").toString());
  const exp = Math.floor(Date.now() / 1000) - LEEWAY_SECONDS + seconds;
  const signed = `${header}.${Buffer.from(JSON.stringify({ ...claims, exp })).toString("base64url")}`;
  return `${signed}.${sign("sha256", Buffer.from(signed), key).toString("base64url")}`;
}

/** Makes a rule of its own for each right, so that no right comes with another. */
function rulesOf(rights: readonly Right[]) {
  return rights.map(({ verb, group, resource }) => ({ apiGroups: [group], resources: [resource], verbs: [verb] }));
}

async function exists(reading: Promise<unknown>): Promise<boolean> {
  return reading.then(
    () => true,
    () => false,
  );
}
