import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { InvalidArgumentError } from "@commander-js/extra-typings";
import { makeCommand } from "../../shared/command-line.ts";

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

/** Makes a command that takes the flags by which `chooseCluster` chooses. */
export function makeClusterCommand(name: string) {
  return makeCommand(name)
    .option("--kubeconfig <file>", "run the Jobs on that cluster, not as processes of this machine", existingFile)
    .option("--namespace <name>", 'in this namespace of it; without it, "default"')
    .option("--image <image>", "with this image, which needs sh; without it, busybox")
    .option(
      "--address <ip>",
      "an address of this machine that the cluster's pods reach: they fetch bodies over 16 KiB from there",
      ipAddress,
    );
}

type ClusterFlags = ReturnType<ReturnType<typeof makeClusterCommand>["opts"]>;

/** The choice that the flags make. Refuses those about a cluster if none is named. */
export function chooseCluster(flags: ClusterFlags, command: { error(message: string): never }): ClusterChoice {
  const { kubeconfig, namespace, image, address } = flags;
  if (kubeconfig === undefined) {
    const extra = Object.entries({ namespace, image, address }).find(([, value]) => value !== undefined);
    return extra === undefined ? { kind: "stand-in" } : command.error(`error: --${extra[0]} needs --kubeconfig`);
  }
  return {
    kind: "kubeconfig",
    file: kubeconfig,
    namespace: namespace ?? "default",
    ...(image === undefined ? {} : { image }),
    ...(address === undefined ? {} : { address }),
  };
}

function existingFile(text: string): string {
  if (!existsSync(text)) throw new InvalidArgumentError("There is no such file.");
  return resolve(text);
}

function ipAddress(text: string): string {
  if (isIP(text) === 0) throw new InvalidArgumentError("Give an IP address.");
  return text;
}
