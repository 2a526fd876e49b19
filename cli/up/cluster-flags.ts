import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, type OptionValues } from "@commander-js/extra-typings";

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

/** The flags by which `chooseCluster` chooses. */
export interface ClusterFlags {
  readonly kubeconfig?: string;
  readonly namespace?: string;
  readonly image?: string;
  readonly address?: string;
}

/** Adds these flags to a subcommand. */
export function withCluster<Args extends unknown[], Flags extends OptionValues, Global extends OptionValues>(
  command: Command<Args, Flags, Global>,
) {
  return command
    .option("--kubeconfig <file>", "run the Jobs on that cluster, not as processes of this machine", existingFile)
    .option("--namespace <name>", 'in this namespace of it; without it, "default"')
    .option("--image <image>", "with this image, which needs sh; without it, busybox")
    .option(
      "--address <ip>",
      "an address of this machine that the cluster's pods reach: they fetch bodies over 16 KiB from there",
      ipAddress,
    );
}

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
