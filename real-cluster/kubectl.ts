import { execFile } from "node:child_process";
import type { Binaries } from "./binaries.ts";

/** Runs kubectl as a user who may do everything, and resolves to its output. Rejects with its own words. */
export type Kubectl = (args: readonly string[], stdin?: string) => Promise<string>;

export function makeKubectl(binaries: Binaries, kubeconfig: string): Kubectl {
  const file = binaries["kubectl"] ?? "kubectl";
  return (args, stdin = "") =>
    new Promise((resolve, reject) => {
      const options = { maxBuffer: 16 * 1024 * 1024 };
      const child = execFile(file, [`--kubeconfig=${kubeconfig}`, ...args], options, (error, stdout) =>
        error === null ? resolve(stdout) : reject(error),
      );
      child.stdin?.end(stdin);
    });
}
