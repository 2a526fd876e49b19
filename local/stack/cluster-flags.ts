import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { resolve } from "node:path";

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

/** The flags that choose the cluster, for `parseArgs`. */
export const CLUSTER_FLAGS = {
  kubeconfig: { type: "string" },
  namespace: { type: "string" },
  image: { type: "string" },
  address: { type: "string" },
} as const;

export const CLUSTER_USAGE = `  --kubeconfig FILE   run the Jobs on that cluster, not as processes of this machine
  --namespace NS      in this namespace of it ("default" without)
  --image IMAGE       with this image, which needs sh; busybox without
  --address IP        of this machine, where the cluster's pods can reach it: bodies over 16 KiB are fetched from there`;

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
