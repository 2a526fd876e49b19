import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeCertificate } from "../local/cluster/certificate.ts";
import type { Binaries } from "./binaries.ts";
import { type ClusterRecord, writeRecord } from "./cluster-record.ts";
import { freePorts } from "./network.ts";
import { killProcesses, waitUntilReady } from "./server-process.ts";
import { makeStartPart } from "./start-part.ts";

const READY_TIMEOUT_MS = 60_000;

export interface KedaOptions {
  readonly record: ClusterRecord;
  readonly binaries: Binaries;
  /** The kubeconfig of the operator's user. By default it is the one who may do everything. */
  readonly kubeconfig?: string;
  /** The only namespace whose objects KEDA looks at. */
  readonly namespace: string;
  /** The certificate, PEM, of the server that KEDA asks for counts. */
  readonly trusted: string;
}

/** KEDA's operator, while it runs. */
export interface Keda {
  readonly pid: number;
  stop(): Promise<void>;
}

/**
 * Starts KEDA's operator beside a cluster that has its CRDs, and resolves when it is ready. From then on the operator
 * is a part of the cluster, and ends with it at the latest.
 */
export async function startKeda({ record, binaries, kubeconfig, namespace, trusted }: KedaOptions): Promise<Keda> {
  const [metrics = 0, health = 0, grpc = 0] = await freePorts(3);
  const name = `keda-${namespace}`;
  const start = await makeStartPart(record, binaries, new AbortController().signal);
  const { certificates, authorities } = await makeFiles(join(record.directory, name), trusted);
  const operator = await start(
    name,
    [
      `--kubeconfig=${kubeconfig ?? record.kubeconfig}`,
      `--cert-dir=${certificates}`,
      `--ca-dir=${authorities}`,
      "--enable-cert-rotation=false",
      "--leader-elect=false",
      `--metrics-bind-address=${loopback(metrics)}`,
      `--health-probe-bind-address=${loopback(health)}`,
      `--metrics-service-bind-address=${loopback(grpc)}`,
    ],
    {
      file: binaries["keda-operator"] ?? "keda-operator",
      env: { WATCH_NAMESPACE: namespace, POD_NAMESPACE: namespace, KEDA_CLUSTER_OBJECT_NAMESPACE: namespace },
    },
  );
  await waitUntilReady(operator, READY_TIMEOUT_MS, async () => (await fetch(`http://${loopback(health)}/readyz`)).ok);
  return {
    pid: operator.pid,
    async stop() {
      await killProcesses([operator]);
      // Without this, the cluster would look as if a part of it had died.
      record.processes = record.processes.filter(({ pid }) => pid !== operator.pid);
      writeRecord(record);
    },
  };
}

function loopback(port: number): string {
  return `127.0.0.1:${port}`;
}

/**
 * Makes the operator's files. The certificate for its metrics server must exist, though nobody asks for metrics here.
 */
async function makeFiles(directory: string, trusted: string) {
  const [certificates, authorities] = [join(directory, "certificates"), join(directory, "authorities")];
  const own = await makeCertificate();
  await mkdir(certificates, { recursive: true, mode: 0o700 });
  await mkdir(authorities, { recursive: true });
  await writeFile(join(certificates, "ca.crt"), own.cert);
  await writeFile(join(certificates, "tls.crt"), own.cert);
  await writeFile(join(certificates, "tls.key"), own.key, { mode: 0o600 });
  await writeFile(join(authorities, "service-bus.crt"), trusted);
  return { certificates, authorities };
}
