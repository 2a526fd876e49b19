import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { resolve } from "node:path";
import type { Flags } from "../../shared/command-line.ts";

/** Where Jobs run: as processes, by the stand-in, or on a cluster that somebody has. */
export type ClusterChoice =
  | { readonly kind: "stand-in" }
  | {
      readonly kind: "kubeconfig";
      readonly file: string;
      readonly namespace: string;
      /** Instead of the image of each sample module. */
      readonly image?: string;
      /** An address of this machine that the cluster's pods reach: storage listens there too. */
      readonly address?: string;
    };

/** The flags that choose the cluster. */
export const CLUSTER_FLAGS = {
  kubeconfig: { type: "string", value: "FILE", says: "run the Jobs on that cluster, not as processes of this machine" },
  namespace: { type: "string", value: "NAME", says: 'in this namespace of it; without it, "default"' },
  image: { type: "string", value: "IMAGE", says: "with this image, which needs sh; without it, busybox" },
  address: {
    type: "string",
    value: "IP",
    says: "an address of this machine that the cluster's pods reach: they fetch bodies over 16 KiB from there",
  },
} as const satisfies Flags;

/** The choice that the flags make. Throws an Error that says which flag is wrong. */
export function chooseCluster(flags: Readonly<Record<string, unknown>>): ClusterChoice {
  const text = (name: string) => (typeof flags[name] === "string" ? flags[name] : undefined);
  const file = text("kubeconfig");
  const [namespace, image, address] = [text("namespace"), text("image"), text("address")];
  if (file === undefined) {
    const extra = ["namespace", "image", "address"].find((name) => text(name) !== undefined);
    if (extra !== undefined) throw new Error(`--${extra} needs --kubeconfig`);
    return { kind: "stand-in" };
  }
  if (!existsSync(file)) throw new Error(`--kubeconfig ${file}: there is no such file`);
  if (address !== undefined && isIP(address) === 0) throw new Error(`--address ${address} is not an IP address`);
  return {
    kind: "kubeconfig",
    file: resolve(file),
    namespace: namespace ?? "default",
    ...(image === undefined ? {} : { image }),
    ...(address === undefined ? {} : { address }),
  };
}
