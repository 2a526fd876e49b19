import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServiceBusClient } from "@azure/service-bus";
import type { Check } from "./check.ts";
import { jobImage } from "./check-values.ts";
import { runCommand } from "./command.ts";
import { deleteAll, type Leftover } from "./delete-all.ts";
import { type Environment, type Found, newEnvironment, parametersOf, regionIn } from "./environment.ts";
import type { Flags } from "./flags.ts";
import { leftOut } from "./left-out.ts";
import { objectIdIn } from "./object-id.ts";
import { openAzure } from "./open-azure.ts";
import type { Outcome } from "./report.ts";
import { type Answer, runChecks } from "./run-checks.ts";
import type { SignIn } from "./sign-in.ts";

export interface RunOptions {
  readonly flags: Flags;
  readonly signIn: SignIn;
  readonly checks: readonly Check[];
  /** The project's directory. */
  readonly root: string;
  /** The environment of az, helm, kubectl and kubelogin. */
  readonly env: Readonly<Record<string, string>>;
  /** Opens a client of a namespace, by its host name. */
  readonly connect: (fullyQualifiedNamespace: string) => ServiceBusClient;
  /** Aborted if the person wants the run to end. Then everything is deleted all the same. */
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** Called with what infra/deploy.sh says. */
  readonly onSaid: (text: string) => void;
}

/**
 * Tries the checks in an environment of its own, and deletes that. Rejects if a program is missing or Azure refuses the
 * principal; then nothing was created.
 */
export async function checkAzure(options: RunOptions): Promise<Outcome> {
  const environment = newEnvironment();
  const startedAt = performance.now();
  const scratch = await mkdtemp(join(tmpdir(), "dispatcher-check-azure-"));
  // az keeps the login in a directory of its own, so that the person's own login stays as it is.
  const env = { ...options.env, AZURE_CONFIG_DIR: join(scratch, "azure") };
  const infra = join(options.root, "infra");
  const parameters = join(infra, `${environment.name}.bicepparam`);
  try {
    const dev = await readFile(join(infra, "dev.bicepparam"), "utf8");
    await logIn(options, env);
    const found = await look(options, env, options.flags.region ?? regionIn(dev));
    await writeFile(parameters, parametersOf(dev, environment, found, options.flags));
    const { answers, leftovers } = await tryAndDelete(options, environment, { env, scratch, ...found });
    const minutes = (performance.now() - startedAt) / 60_000;
    return { environment, answers: [...answers, ...leftOut(options.flags)], leftovers, minutes };
  } finally {
    await rm(parameters, { force: true });
    await rm(scratch, { recursive: true, force: true });
  }
}

async function logIn({ signIn, signal }: RunOptions, env: Readonly<Record<string, string>>): Promise<void> {
  const { subscriptionId, tenantId, clientId, clientSecret } = signIn;
  // infra/deploy.sh misses a program only after it was started, which would look like a fault of Azure.
  await runCommand("helm", ["version"], { env, signal });
  await runCommand("kubectl", ["version", "--client"], { env, signal });
  await runCommand("kubelogin", ["--version"], { env, signal });
  // az reads @- from standard input. As an argument, other processes could see the secret.
  const who = ["--username", clientId, "--tenant", tenantId, "--password", "@-"];
  await runCommand("az", ["login", "--service-principal", ...who, "--output", "none"], {
    env,
    signal,
    stdin: clientSecret,
  });
  await runCommand("az", ["account", "set", "--subscription", subscriptionId], { env, signal });
}

async function look({ signal }: RunOptions, env: Readonly<Record<string, string>>, region: string): Promise<Found> {
  const ask = async (...args: readonly string[]) =>
    (await runCommand("az", [...args, "--output", "tsv"], { env, signal })).stdout.trim();
  const token = await ask("account", "get-access-token", "--query", "accessToken");
  const newest = "max(values[?isPreview != `true`].version)";
  const kubernetesVersion = await ask("aks", "get-versions", "--location", region, "--query", newest);
  return { principalId: objectIdIn(token), kubernetesVersion };
}

async function tryAndDelete(
  options: RunOptions,
  environment: Environment,
  place: { readonly env: Readonly<Record<string, string>>; readonly scratch: string } & Found,
): Promise<{ readonly answers: readonly Answer[]; readonly leftovers: readonly Leftover[] }> {
  const { root, say } = options;
  const image = jobImage(await readFile(join(root, "Dockerfile"), "utf8"));
  const azure = openAzure({ ...options, ...place, environment, image });
  say(`Deploying as ${environment.group}. If this process is killed, delete everything yourself:
az group delete --name ${environment.group}`);
  const answers = await runChecks(options.checks, azure, options);
  // A connection that can't be closed is no reason to delete nothing.
  await azure.close().catch(() => {});
  // Nothing interrupts the deletion, so that an interrupted run leaves nothing behind either.
  const az = async (...args: readonly string[]) => (await runCommand("az", args, { env: place.env })).stdout.trimEnd();
  return { answers, leftovers: await deleteAll(az, environment, say) };
}
