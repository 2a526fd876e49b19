import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ServiceBusClient } from "@azure/service-bus";
import { stringify } from "yaml";
import type { Azure } from "./azure.ts";
import { makeBus } from "./bus.ts";
import { checkValues } from "./check-values.ts";
import { runCommand } from "./command.ts";
import type { Environment } from "./environment.ts";
import type { Flags } from "./flags.ts";
import { outputOf } from "./outputs.ts";

const LOOK_MS = 10_000;
/** The tag of the image that is built. */
const TAG = "check";

export interface AzureOptions {
  readonly environment: Environment;
  readonly principalId: string;
  readonly flags: Flags;
  /** The project's directory. */
  readonly root: string;
  /** A directory for values and kubeconfig, which the caller removes. */
  readonly scratch: string;
  /** The environment of all programs. */
  readonly env: Readonly<Record<string, string>>;
  /** The image of the checks' Jobs. */
  readonly image: string;
  readonly signal: AbortSignal;
  /** Opens a client of a namespace, by its host name. */
  readonly connect: (fullyQualifiedNamespace: string) => ServiceBusClient;
  readonly onSaid: (text: string) => void;
}

/** What a run uses of Azure, and how to let go of it. */
export interface OpenAzure extends Azure {
  close(): Promise<void>;
}

/** Opens Azure for the checks. Nothing is created before the first call. */
export function openAzure(options: AzureOptions): OpenAzure {
  const { environment, flags, root, scratch, signal, onSaid } = options;
  const kubeconfig = join(scratch, "kubeconfig");
  const env = { ...options.env, KUBECONFIG: kubeconfig };
  const deployScript = join(root, "infra", "deploy.sh");
  let isDeployed = false;
  let client: ServiceBusClient | undefined;

  const read = async (program: string, args: readonly string[]): Promise<string> =>
    (await runCommand(program, args, { env, signal })).stdout.trimEnd();
  const azure: Azure = {
    environment,
    principalId: options.principalId,
    bus: makeBus(
      async () => (client ??= options.connect(await outputOf(azure, "serviceBusFullyQualifiedNamespace"))),
      signal,
    ),
    async deploy(changes) {
      const values = join(scratch, "values.yaml");
      await writeFile(values, stringify(checkValues(options.image, changes)));
      const built = isDeployed ? ["--tag", TAG] : ["--build", "--tag", TAG];
      const image = flags.from === undefined ? built : ["--from", flags.from];
      const args = [environment.name, "--values", values, ...image];
      const { stdout, stderr } = await runCommand(deployScript, args, { env, signal, onSaid });
      isDeployed = true;
      return stdout + stderr;
    },
    async uninstall() {
      const { stdout, stderr } = await runCommand(deployScript, ["down", environment.name, "--yes"], {
        env,
        signal,
        onSaid,
      });
      return stdout + stderr;
    },
    az: (...args) => read("az", args),
    kubectl: (...args) => read("kubectl", args),
    async sendByLogin(entity, body) {
      const namespace = await outputOf(azure, "serviceBusFullyQualifiedNamespace");
      const send = [join(root, "dist", "cli", "main.js"), "send", "--bus", namespace, "--source", entity, "-"];
      await runCommand(process.execPath, send, { env, signal, stdin: body });
    },
    async getCredentials() {
      const { group, cluster } = environment;
      const file = ["--file", kubeconfig, "--overwrite-existing"];
      await read("az", ["aks", "get-credentials", "--resource-group", group, "--name", cluster, ...file]);
      await read("kubelogin", ["convert-kubeconfig", "--login", "azurecli", "--kubeconfig", kubeconfig]);
    },
    async until(isSo, minutes) {
      const deadline = performance.now() + minutes * 60_000;
      while (!(await isSo())) {
        if (performance.now() > deadline) return false;
        await sleep(LOOK_MS, undefined, { signal });
      }
      return true;
    },
    now: Date.now,
  };
  return { ...azure, close: async () => client?.close() };
}
