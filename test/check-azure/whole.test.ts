import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Check, proven } from "../../check-azure/check.ts";
import { checkAzure } from "../../check-azure/check-azure.ts";
import { firstDeployment } from "../../check-azure/checks/first-deployment.ts";
import { newRole } from "../../check-azure/checks/new-role.ts";
import { uninstall } from "../../check-azure/checks/uninstall.ts";
import type { Outcome } from "../../check-azure/report.ts";
import { type DeployOptions, type DeployScript, makeDeployScript } from "../support/deploy-script.ts";
import { type LocalBus, startLocalBus } from "../support/local-broker-harness.ts";
import { ROOT } from "../support/run-program.ts";

// Runs the checks with infra/deploy.sh itself. az, helm, kubectl and kubelogin are stand-ins that record their calls.

const CREATED = {
  "az-aks-get-versions": ["1.36\n"],
  "az-group-show": ["/subscriptions/s/resourceGroups/g"],
  "az-group-exists": ["true\n", "false\n"],
  "az-group-list": [""],
  "az-deployment-sub-list": ["the-record\n", ""],
  // infra/deploy.sh looks at KEDA's pods, and then two checks at the Dispatcher's.
  "kubectl-get-pods": ["|AZURE_FEDERATED_TOKEN_FILE\n", "", '{"items":[]}'],
};

let script: DeployScript;
let bus: LocalBus;
let root: string;
beforeEach(async () => {
  script = await makeDeployScript();
  bus = await startLocalBus({ queues: [{ name: "check-codes" }, { name: "check-soak" }] });
  root = join(script.directory, "checkout");
  for (const file of ["infra", "keda", "Dockerfile", ".dockerignore", "package.json"])
    await cp(join(ROOT, file), join(root, file), { recursive: true });
});
afterEach(async () => {
  await bus.close();
  await script.close();
});

interface Ran {
  readonly outcome: Outcome;
  readonly calls: readonly string[];
  readonly said: string;
}

async function run(
  checks: readonly Check[],
  {
    interrupted = new AbortController(),
    answers = {},
    ...options
  }: DeployOptions & { interrupted?: AbortController } = {},
): Promise<Ran> {
  const env = await script.prepare({ ...options, answers: { ...CREATED, ...answers } });
  const said: string[] = [];
  const outcome = await checkAzure({
    flags: { yes: true, region: "northeurope", from: undefined, premium: false },
    signIn: { subscriptionId: "sub", tenantId: "tenant", clientId: "client", clientSecret: "the-secret" },
    checks,
    root,
    env,
    connect: () => bus.client,
    signal: interrupted.signal,
    say: (text) => said.push(text),
    onSaid: (text) => said.push(text),
  });
  return { outcome, calls: (await script.calls()).map((call) => call.join(" ")), said: said.join("\n") };
}

const kinds = ({ outcome }: Ran, checks: readonly Check[]) =>
  outcome.answers.slice(0, checks.length).map(({ verdict }) => verdict.kind);

describe("npm run check:azure", () => {
  it("logs in, deploys, looks, uninstalls, and deletes everything", async () => {
    const checks = [firstDeployment, newRole, uninstall];
    const ran = await run(checks);
    const { name, group } = ran.outcome.environment;
    expect(kinds(ran, checks)).toEqual(["proven", "proven", "proven"]);
    expect(ran.outcome.leftovers).toEqual([]);
    expect(ran.said).toContain(`az group delete --name ${group}`);
    const started = (start: string) => ran.calls.findIndex((call) => call.startsWith(start));
    const inOrder = [
      "az login --service-principal --username client --tenant tenant --password @-",
      "az account set --subscription sub",
      "az aks get-versions --location northeurope",
      `az deployment sub create --name dispatcher-${name} --location northeurope --parameters ${join(root, "infra", name)}.bicepparam`,
      "az acr build --registry the-registryName --image dispatcher:check",
      "helm upgrade --install dispatcher",
      "az role assignment create --role Azure Kubernetes Service RBAC Cluster Admin",
      "helm uninstall dispatcher",
      `az group delete --name ${group} --yes`,
      `az deployment sub delete --name dispatcher-${name}`,
    ].map(started);
    expect(inOrder).not.toContain(-1);
    expect(inOrder).toEqual(inOrder.toSorted((a, b) => a - b));
  });

  it("shows the secret to no program but az, and leaves no file behind", async () => {
    const { calls, said } = await run([firstDeployment]);
    expect(calls.join("\n") + said).not.toContain("the-secret");
    expect(await readdir(join(root, "infra"))).toEqual(await readdir(join(ROOT, "infra")));
  });

  it("deletes everything after a deployment that fails half-way, and asks nothing more", async () => {
    const checks = [firstDeployment, newRole];
    const ran = await run(checks, { fails: "az-deployment-sub-create" });
    expect(kinds(ran, checks)).toEqual(["disproven", "not tried"]);
    expect(ran.outcome.answers[0]?.verdict.what).toContain("the deployment failed; az says why above");
    expect(ran.calls).toContain(`az group delete --name ${ran.outcome.environment.group} --yes`);
  });

  it("deletes everything after an interruption", async () => {
    const interrupted = new AbortController();
    const last: Check = {
      ...uninstall,
      async run(azure) {
        interrupted.abort(new Error("The run was interrupted by SIGINT."));
        await azure.kubectl("get", "pods");
        return proven("Never.");
      },
    };
    const ran = await run([last, newRole], { interrupted });
    expect(ran.outcome.answers[0]?.verdict).toEqual({ kind: "not tried", what: "The run was interrupted by SIGINT." });
    expect(ran.calls).toContain(`az group delete --name ${ran.outcome.environment.group} --yes`);
    expect(ran.outcome.leftovers).toEqual([]);
  });

  it("says what it could not delete", async () => {
    const ran = await run([], { fails: "az-group-delete" });
    expect(ran.outcome.leftovers).toEqual([
      expect.objectContaining({ what: `resource group ${ran.outcome.environment.group}` }),
    ]);
  });

  it("creates nothing if Azure refuses the principal", async () => {
    await expect(run([firstDeployment], { fails: "az-login" })).rejects.toThrow("az login --service-principal");
    const changes = (await script.calls()).filter(([, verb]) => verb === "deployment" || verb === "group");
    expect(changes).toEqual([]);
    expect(await readdir(join(root, "infra"))).toEqual(await readdir(join(ROOT, "infra")));
  });
});
