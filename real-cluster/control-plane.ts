import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { type AgentOptions, request } from "node:https";
import { join } from "node:path";
import type { Credentials } from "./credentials.ts";
import { waitUntilReady } from "./server-process.ts";
import type { StartPart } from "./start-part.ts";

/** The ports of loopback, one for each listener. */
export interface ControlPlanePorts {
  readonly etcd: number;
  readonly etcdPeer: number;
  readonly apiServer: number;
  readonly controllerManager: number;
  readonly scheduler: number;
}

const READY_TIMEOUT_MS = 90_000;

/** Starts etcd, then the API server, and resolves when it answers. */
export async function startApiServer(
  start: StartPart,
  ports: ControlPlanePorts,
  keys: Credentials,
  { directory, services }: { readonly directory: string; readonly services: string },
): Promise<void> {
  await startEtcd(start, ports, keys, directory);
  const apiServer = await start("kube-apiserver", [
    `--etcd-servers=https://127.0.0.1:${ports.etcd}`,
    `--etcd-cafile=${keys.caCert}`,
    `--etcd-certfile=${keys.serverCert}`,
    `--etcd-keyfile=${keys.serverKey}`,
    "--bind-address=127.0.0.1",
    `--secure-port=${ports.apiServer}`,
    `--tls-cert-file=${keys.serverCert}`,
    `--tls-private-key-file=${keys.serverKey}`,
    `--token-auth-file=${keys.tokens}`,
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    // Reaches the kubelet by name. The node says that it is at 127.0.0.1, which the API server refuses as an address of
    // a node.
    "--kubelet-preferred-address-types=Hostname",
    `--kubelet-client-certificate=${keys.clientCert}`,
    `--kubelet-client-key=${keys.clientKey}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${keys.serviceAccountKey}`,
    `--service-account-signing-key-file=${keys.serviceAccountKey}`,
    `--service-cluster-ip-range=${services}`,
    "--endpoint-reconciler-type=none",
    "--allow-privileged=true",
  ]);
  const agent = { ca: keys.ca };
  await waitUntilReady(apiServer, READY_TIMEOUT_MS, () =>
    answersOk(ports.apiServer, "/readyz", agent, keys.adminToken),
  );
}

/** Starts the controllers, which make pods of Jobs, and the scheduler. The API server must run already. */
export async function startControllers(start: StartPart, ports: ControlPlanePorts, keys: Credentials): Promise<void> {
  const common = (kubeconfig: string, port: number) => [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    "--leader-elect=false",
    "--bind-address=127.0.0.1",
    `--secure-port=${port}`,
    `--tls-cert-file=${keys.serverCert}`,
    `--tls-private-key-file=${keys.serverKey}`,
    // With the defaults the Job controller finishes three Jobs a second.
    "--kube-api-qps=500",
    "--kube-api-burst=1000",
  ];
  const [controllerManager, scheduler] = await Promise.all([
    start("kube-controller-manager", [
      ...common(keys.kubeconfigs.kcm, ports.controllerManager),
      "--use-service-account-credentials=true",
      // The default is five, with which thousands of Jobs would wait minutes for their pods.
      "--concurrent-job-syncs=50",
      `--service-account-private-key-file=${keys.serviceAccountKey}`,
      `--root-ca-file=${keys.caCert}`,
      // Three heartbeats, so that the tests of a dead node don't wait longer than they have to.
      "--node-monitor-grace-period=30s",
    ]),
    start("kube-scheduler", common(keys.kubeconfigs.scheduler, ports.scheduler)),
  ]);
  await waitUntilReady(controllerManager, READY_TIMEOUT_MS, () => isHealthy(ports.controllerManager, keys));
  await waitUntilReady(scheduler, READY_TIMEOUT_MS, () => isHealthy(ports.scheduler, keys));
}

async function startEtcd(
  start: StartPart,
  ports: ControlPlanePorts,
  keys: Credentials,
  directory: string,
): Promise<void> {
  const data = join(directory, "etcd");
  await mkdir(data, { mode: 0o700 });
  const client = `https://127.0.0.1:${ports.etcd}`;
  const peer = `https://127.0.0.1:${ports.etcdPeer}`;
  // etcd and its clients show certificates, because a client that may write to etcd may run anything as root.
  const etcd = await start("etcd", [
    `--data-dir=${data}`,
    // The cluster is thrown away with its data, so etcd need not make it durable.
    "--unsafe-no-fsync",
    "--log-level=warn",
    "--name=one",
    `--initial-cluster=one=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--listen-peer-urls=${peer}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    ...["", "peer-"].flatMap((kind) => [
      `--${kind}trusted-ca-file=${keys.caCert}`,
      `--${kind}cert-file=${keys.serverCert}`,
      `--${kind}key-file=${keys.serverKey}`,
      `--${kind}client-cert-auth`,
    ]),
  ]);
  const agent = { ca: keys.ca, cert: readFileSync(keys.serverCert), key: readFileSync(keys.serverKey) };
  await waitUntilReady(etcd, READY_TIMEOUT_MS, () => answersOk(ports.etcd, "/health", agent));
}

function isHealthy(port: number, keys: Credentials): Promise<boolean> {
  return answersOk(port, "/healthz", { ca: keys.ca });
}

/** Whether a server of the cluster answers 200. Rejects if it doesn't answer. */
function answersOk(port: number, path: string, tls: AgentOptions, token?: string): Promise<boolean> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    // Uses a new connection for each request and keeps none.
    request({ host: "127.0.0.1", port, path, headers, agent: false, timeout: 5_000, ...tls }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode === 200));
    })
      .on("timeout", function (this: { destroy: (error: Error) => void }) {
        this.destroy(new Error(`no answer from port ${port}`));
      })
      .on("error", reject)
      .end();
  });
}
