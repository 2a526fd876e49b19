import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generate } from "selfsigned";
import { kubeconfigText } from "../local/cluster/kubeconfig.ts";

/**
 * The name of the only node. The API server refuses a node at a loopback address, but not a name that resolves to one.
 */
export const NODE_NAME = "localhost";

/** The users of the API server, with their groups. */
const USERS = {
  admin: { user: "admin", groups: ["system:masters"] },
  kcm: { user: "system:kube-controller-manager", groups: [] },
  scheduler: { user: "system:kube-scheduler", groups: [] },
  node: { user: `system:node:${NODE_NAME}`, groups: ["system:nodes"] },
} as const;

type UserName = keyof typeof USERS;

/** Files with the keys and tokens of one cluster, each readable by root alone. */
export interface Credentials {
  readonly caCert: string;
  /**
   * The certificate of every server of the cluster and of the control plane's own clients. All of them are on loopback.
   */
  readonly serverCert: string;
  readonly serverKey: string;
  /** The certificate that the API server shows to the kubelet. */
  readonly clientCert: string;
  readonly clientKey: string;
  /** The key that signs and checks the tokens of ServiceAccounts. */
  readonly serviceAccountKey: string;
  readonly tokens: string;
  readonly adminToken: string;
  readonly kubeconfigs: Readonly<Record<UserName, string>>;
  /** The certificate of the certificate authority itself, PEM. */
  readonly ca: string;
}

/**
 * Makes all credentials of a cluster, which are valid for this cluster alone. `addresses` are those at which the API
 * server is reached besides loopback.
 */
export async function makeCredentials(
  directory: string,
  apiServer: string,
  addresses: readonly string[],
): Promise<Credentials> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const keep = async (name: string, content: string): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, content, { mode: 0o600, flag: "wx" });
    return path;
  };
  const authority = await makeAuthority();
  const server = await certificate(authority, { commonName: "dispatcher-test-cluster" }, addresses);
  // The certificate's organization gives the API server the right to do everything with the kubelet.
  const client = await certificate(
    authority,
    { commonName: "kube-apiserver", organizationName: "system:masters" },
    addresses,
  );
  const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const tokens = Object.fromEntries(Object.keys(USERS).map((name) => [name, randomBytes(32).toString("base64url")]));
  const cluster = { name: "dispatcher-test-cluster", server: apiServer, ca: authority.cert, namespace: "default" };
  const kubeconfig = (name: UserName) =>
    keep(`${name}.kubeconfig`, kubeconfigText({ ...cluster, user: name, token: tokens[name] ?? "" }));
  return {
    caCert: await keep("ca.crt", authority.cert),
    serverCert: await keep("server.crt", server.cert),
    serverKey: await keep("server.key", server.private),
    clientCert: await keep("client.crt", client.cert),
    clientKey: await keep("client.key", client.private),
    serviceAccountKey: await keep(
      "service-accounts.key",
      keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    ),
    tokens: await keep("tokens.csv", tokenLines(tokens)),
    adminToken: tokens["admin"] ?? "",
    kubeconfigs: {
      admin: await kubeconfig("admin"),
      kcm: await kubeconfig("kcm"),
      scheduler: await kubeconfig("scheduler"),
      node: await kubeconfig("node"),
    },
    ca: authority.cert,
  };
}

type Pair = Awaited<ReturnType<typeof generate>>;

function makeAuthority(): Promise<Pair> {
  return generate([{ name: "commonName", value: "dispatcher test cluster authority" }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, cRLSign: true, digitalSignature: true, critical: true },
    ],
  });
}

function certificate(
  authority: Pair,
  subject: Readonly<Record<string, string>>,
  addresses: readonly string[],
): Promise<Pair> {
  const names = [NODE_NAME, "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
  return generate(
    Object.entries(subject).map(([name, value]) => ({ name, value })),
    {
      keyType: "ec",
      algorithm: "sha256",
      ca: { key: authority.private, cert: authority.cert },
      extensions: [
        { name: "basicConstraints", cA: false },
        { name: "keyUsage", digitalSignature: true, keyEncipherment: true },
        { name: "extKeyUsage", serverAuth: true, clientAuth: true },
        {
          name: "subjectAltName",
          altNames: [
            ...["127.0.0.1", ...addresses].map((ip) => ({ type: 7 as const, ip })),
            ...names.map((value) => ({ type: 2 as const, value })),
          ],
        },
      ],
    },
  );
}

function tokenLines(tokens: Readonly<Record<string, string>>): string {
  const lines = Object.entries(USERS).map(
    ([name, { user, groups }]) => `${tokens[name]},${user},${name},"${groups.join(",")}"`,
  );
  return `${lines.join("\n")}\n`;
}
