/** How a client reaches a cluster, and as which user. */
export type KubeconfigFacts = {
  /** The name of the cluster and of the context in the file. */
  readonly name: string;
  /** The name of the user. By default it is the cluster's. */
  readonly user?: string;
  /** The URL of the API server. */
  readonly server: string;
  /** The certificate, PEM, that the API server shows. */
  readonly ca: string;
  readonly namespace?: string;
} & (
  | { readonly token: string }
  /** A client reads its token from this file again and again, as a pod does. */
  | { readonly tokenFile: string }
);

/** The text of a kubeconfig file with one cluster, user and context. It is JSON, which is YAML. */
export function kubeconfigText(facts: KubeconfigFacts): string {
  const { name, user = name, server, ca, namespace } = facts;
  const credentials = "token" in facts ? { token: facts.token } : { tokenFile: facts.tokenFile };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server, "certificate-authority-data": Buffer.from(ca).toString("base64") } }],
    users: [{ name: user, user: credentials }],
    contexts: [{ name, context: { cluster: name, user, ...(namespace === undefined ? {} : { namespace }) } }],
    "current-context": name,
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}
