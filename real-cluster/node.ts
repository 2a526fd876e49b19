import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Binaries } from "./binaries.ts";
import { busyboxArchive, SANDBOX_IMAGE } from "./busybox-image.ts";
import { type ClusterRecord, writeRecord } from "./cluster-record.ts";
import { importImages, insideNode, isAnswering, SOCKET, snapshotterFor } from "./containerd-client.ts";
import { type Credentials, NODE_NAME } from "./credentials.ts";
import type { PodNetwork } from "./network.ts";
import { mountNamespaceOf, waitUntilReady } from "./server-process.ts";
import type { StartedPart, StartPart } from "./start-part.ts";

/**
 * The directories of the machine that containerd and the kubelet write to under fixed names. Both see the cluster's own
 * directories in their place.
 */
export const REPLACED = ["/run", "/var/lib", "/var/log"] as const;
const READY_TIMEOUT_MS = 60_000;

/** The parts of the machine's one node. */
export interface NodeParts {
  readonly record: ClusterRecord;
  readonly binaries: Binaries;
  readonly network: PodNetwork;
  readonly keys: Credentials;
  /** The directory with the CNI plugins. */
  readonly cniPlugins: string;
  /** A statically linked busybox. */
  readonly busybox: string;
}

/**
 * Starts containerd and gives it the images. It gets a mount namespace of its own, which goes when the last process in
 * it does.
 */
export async function startContainerd(start: StartPart, parts: NodeParts): Promise<void> {
  const { record, binaries } = parts;
  const directory = join(record.directory, "node");
  for (const replaced of REPLACED) await mkdir(join(directory, replaced), { recursive: true });
  const conf = join(directory, "cni");
  await mkdir(conf);
  await writeFile(join(conf, "10-bridge.conflist"), bridgeConfiguration(parts.network));
  const config = join(directory, "containerd.toml");
  const snapshotter = await snapshotterFor(record);
  await writeFile(config, containerdConfiguration({ snapshotter, conf, cniPlugins: parts.cniPlugins }));

  const mounts = REPLACED.map((replaced) => `mount --bind '${join(directory, replaced)}' ${replaced}`);
  const script = [...mounts, "mount --make-rshared /", 'exec "$@"'].join("\n");
  const binDirectory = dirname(binaries["containerd"] ?? "");
  const containerd = await start("containerd", ["--config", config], {
    through: ["unshare", "--mount", "--propagation", "slave", "--", "sh", "-euc", script, "sh"],
    env: {
      // containerd finds its shim on this path.
      PATH: `${binDirectory}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      // Keeps containerd from pulling. A missing image is missing at once, on a machine with a network too.
      HTTPS_PROXY: "http://127.0.0.1:1",
      HTTP_PROXY: "http://127.0.0.1:1",
    },
  });
  await waitUntilReady(containerd, READY_TIMEOUT_MS, () => isAnswering(record, binaries));
  record.mountNamespace = mountNamespaceOf(containerd.pid);
  writeRecord(record);
  await importImages(record, binaries, await busyboxArchive(parts.busybox));
}

/**
 * Starts the kubelet beside containerd. Does not wait until the kubelet has registered the node with the API server.
 */
export async function startKubelet(
  start: StartPart,
  parts: NodeParts,
  port: number,
  healthPort: number,
): Promise<StartedPart> {
  const { record, keys } = parts;
  const config = join(record.directory, "node", "kubelet.json");
  await writeFile(config, JSON.stringify(kubeletConfiguration(record.cgroup, keys, port, healthPort), undefined, 2));
  return start(
    "kubelet",
    [
      `--config=${config}`,
      `--kubeconfig=${keys.kubeconfigs.node}`,
      `--hostname-override=${NODE_NAME}`,
      // The gateway's address, because the API server refuses a node at loopback.
      `--node-ip=${parts.network.gateway}`,
    ],
    { through: insideNode(record) },
  );
}

function containerdConfiguration(facts: { snapshotter: string; conf: string; cniPlugins: string }): string {
  const images = 'plugins."io.containerd.cri.v1.images"';
  const runtime = 'plugins."io.containerd.cri.v1.runtime"';
  return `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
address = "${SOCKET}"

[${images}]
snapshotter = "${facts.snapshotter}"
[${images}.pinned_images]
sandbox = "${SANDBOX_IMAGE}"

[${runtime}]
# A container that wants to be killed later than others does without, if this machine's root may not grant it.
restrict_oom_score_adj = true
[${runtime}.containerd]
default_runtime_name = "runc"
[${runtime}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[${runtime}.containerd.runtimes.runc.options]
SystemdCgroup = false
[${runtime}.cni]
bin_dirs = ["${facts.cniPlugins}"]
conf_dir = "${facts.conf}"
use_internal_loopback = true
`;
}

/**
 * Configures the pods' bridge. Pods reach each other and this machine, and nothing beyond it. No address is translated,
 * so nothing is left in the firewall.
 */
function bridgeConfiguration({ bridge, subnet, gateway }: PodNetwork): string {
  const plugin = {
    type: "bridge",
    bridge,
    isGateway: true,
    ipMasq: false,
    hairpinMode: true,
    ipam: { type: "host-local", ranges: [[{ subnet, gateway }]], routes: [{ dst: "0.0.0.0/0" }] },
  };
  return JSON.stringify({ cniVersion: "1.0.0", name: bridge, plugins: [plugin] });
}

function kubeletConfiguration(cgroup: string, keys: Credentials, port: number, healthPort: number): object {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: "127.0.0.1",
    port,
    healthzBindAddress: "127.0.0.1",
    healthzPort: healthPort,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: false },
      x509: { clientCAFile: keys.caCert },
    },
    authorization: { mode: "Webhook" },
    containerRuntimeEndpoint: `unix://${SOCKET}`,
    cgroupDriver: "cgroupfs",
    cgroupRoot: `/${cgroup}`,
    failCgroupV1: false,
    failSwapOn: false,
    enforceNodeAllocatable: [],
    // Gives pods no DNS, because the machine's own would lead them out of it.
    resolvConf: "",
    makeIPTablesUtilChains: false,
    oomScoreAdj: 0,
    // A full disk must not evict pods here, nor remove images that can't be pulled again.
    evictionHard: { "memory.available": "100Mi", "nodefs.available": "0%", "imagefs.available": "0%" },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    nodeStatusUpdateFrequency: "4s",
    maxPods: 250,
    kubeAPIQPS: 500,
    kubeAPIBurst: 1000,
    eventRecordQPS: 0,
  };
}
