import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { valueAt } from "../../shared/plain-data.ts";
import { type Deployed, type DeployOptions, type DeployScript, makeDeployScript } from "../support/deploy-script.ts";
import { readPrediction } from "../support/predicted-resources.ts";
import { ROOT } from "../support/run-program.ts";

let script: DeployScript;
beforeEach(async () => {
  script = await makeDeployScript();
  await writeFile(join(script.directory, "my values.yaml"), "modules: []\n");
  return () => script.close();
});
const deploy = (args: readonly string[], options?: DeployOptions) => script.run(args, options);

const words = (text: string) => text.split(" ");
const UP = ["dev", "--values", "my values.yaml", "--tag", "1.2.3"];
/** The verbs of the calls, in order: `az deployment sub create`. */
const verbs = ({ calls }: Deployed) =>
  calls.map((call) =>
    call
      .slice(
        0,
        call.findIndex((word, at) => at > 0 && word.startsWith("-")),
      )
      .join(" "),
  );
const callOf = ({ calls }: Deployed, ...words: string[]) => {
  const [call, ...others] = calls.filter((one) => words.every((word, index) => one[index] === word));
  expect(others).toEqual([]);
  return call ?? [];
};
const CHANGES = /create|build|install|upgrade|uninstall|delete|convert/;

describe("deploy.sh", () => {
  it("deploys, builds, logs in to the cluster and installs, in this order", async () => {
    const ended = await deploy(UP);
    expect(ended.said).toContain("Acme Development");
    expect(ended.code).toBe(0);
    expect(verbs(ended)).toEqual([
      "az account show",
      "az account show",
      "az deployment sub create",
      "az deployment sub show",
      "az acr build",
      "az aks get-credentials",
      "kubelogin convert-kubeconfig",
      "helm list",
      `helm upgrade`,
    ]);
    expect(callOf(ended, "az", "deployment", "sub", "create")).toEqual(
      words("az deployment sub create --name dispatcher-dev --location westeurope --parameters").concat(
        join(ROOT, "infra", "dev.bicepparam"),
        words("--output none"),
      ),
    );
    expect(callOf(ended, "az", "acr", "build")).toEqual(
      words("az acr build --registry the-registryName --image dispatcher:1.2.3 --target functions --file").concat(
        join(ROOT, "Dockerfile"),
        ROOT,
      ),
    );
    expect(callOf(ended, "az", "aks", "get-credentials").slice(0, 7)).toEqual([
      "az",
      "aks",
      "get-credentials",
      "--resource-group",
      "the-resourceGroupName",
      "--name",
      "the-aksName",
    ]);
    expect(callOf(ended, "kubelogin").slice(0, 4)).toEqual(["kubelogin", "convert-kubeconfig", "--login", "azurecli"]);
  });

  it("fills the chart's values with the deployment's outputs, and gives it the same values file as Bicep", async () => {
    const ended = await deploy(UP);
    const helm = callOf(ended, "helm", "upgrade");
    const file = join(script.directory, "my values.yaml");
    expect(helm.slice(0, 9)).toEqual(
      words("helm upgrade --install dispatcher").concat(
        join(ROOT, "keda"),
        words("--namespace dispatcher --create-namespace --values"),
      ),
    );
    expect(helm[9]).toBe(file);
    const relative = /^values: (.*)$/m.exec(await readFile(join(script.directory, "record.values"), "utf8"))?.[1] ?? "";
    expect(resolve(ROOT, "infra", relative)).toBe(file);
    expect(relative.startsWith("../")).toBe(true);
    expect(Object.fromEntries(literals(helm))).toEqual({
      "image.repository": "acme.azurecr.io/dispatcher",
      "image.tag": "1.2.3",
      jobNamespace: "the-jobNamespace",
      "serviceBus.fullyQualifiedNamespace": "the-serviceBusFullyQualifiedNamespace",
      "storage.accountName": "the-storageAccountName",
      "workloadIdentity.clientId": "the-workloadIdentityClientId",
      "workloadIdentity.tenantId": "the-workloadIdentityTenantId",
      "kedaIdentity.clientId": "the-kedaIdentityClientId",
      "jobIdentity.clientId": "the-jobIdentityClientId",
      "applicationInsights.connectionString": "the-applicationInsightsConnectionString",
      "settings.table": "the-settingsTable",
      "settings.lockDuration": "the-settingsLockDuration",
    });
  });

  it("uses all outputs of the template, and no others, each for the value that it is named after", async () => {
    const ended = await deploy(UP);
    const asked = [
      ...callOf(ended, "az", "deployment", "sub", "show")
        .join(" ")
        .matchAll(/outputs\.(\w+)\.value/g),
    ];
    expect(asked.map(([, name]) => String(name)).toSorted()).toEqual(
      Object.keys(readPrediction("dev").outputs).toSorted(),
    );
    for (const [path, value] of literals(callOf(ended, "helm", "upgrade"))) {
      const camelCase = path.replaceAll(/\.(\w)/g, (_, letter: string) => letter.toUpperCase());
      expect([`the-${camelCase}`, "acme.azurecr.io/dispatcher", "1.2.3"]).toContain(value);
    }
  });

  it("sets only values that the chart has", async () => {
    const values: unknown = parse(await readFile(join(ROOT, "keda", "values.yaml"), "utf8"));
    const paths = literals(callOf(await deploy(UP), "helm", "upgrade")).map(([path]) => path);
    expect(paths.filter((path) => typeof valueAt(values, path.split(".")) !== "string")).toEqual([]);
  });

  it("leaves the deployer's own kubeconfig alone, and its own behind it nowhere", async () => {
    const ended = await deploy(UP);
    const file = callOf(ended, "kubelogin").at(-1) ?? "";
    expect(file).not.toContain(join(script.directory, ".kube"));
    expect(callOf(ended, "az", "aks", "get-credentials")).toContain(file);
    expect(existsSync(file)).toBe(false);
  });

  it("changes nothing with --what-if, and needs neither helm nor kubelogin for it", async () => {
    await rm(join(script.bin, "helm"));
    await rm(join(script.bin, "kubelogin"));
    const ended = await deploy([...UP, "--what-if"]);
    expect(ended.code).toBe(0);
    expect(verbs(ended)).toEqual(["az account show", "az account show", "az deployment sub what-if"]);
    expect(ended.said).toContain("Nothing was changed");
  });

  it("tags the image with the commit by default, and with the time as well where files have changed", async () => {
    const tag = literals(callOf(await deploy(UP.slice(0, 3)), "helm", "upgrade")).find(
      ([path]) => path === "image.tag",
    )?.[1];
    expect(tag).toMatch(/^([0-9a-f]{12}(-\d{14})?|\d{14})$/);
  });

  it("takes the commit's own tag where what has changed is in no image, such as the values", async () => {
    const checkout = join(script.directory, "checkout");
    for (const file of ["infra/deploy.sh", "infra/dev.bicepparam", ".dockerignore", "package.json"])
      await cp(join(ROOT, file), join(checkout, file));
    const git = (...args: string[]) =>
      execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b", ...args], { cwd: checkout, encoding: "utf8" });
    git("init", "--quiet");
    git("add", ".");
    git("commit", "--quiet", "--message", "a");
    const commit = git("rev-parse", "--short=12", "HEAD").trim();
    const tagOf = async () => {
      const ended = await deploy(UP.slice(0, 3), { program: join(checkout, "infra/deploy.sh") });
      return literals(callOf(ended, "helm", "upgrade")).find(([path]) => path === "image.tag")?.[1];
    };
    await writeFile(join(checkout, "my-values.yaml"), "modules: []\n");
    expect(await tagOf()).toBe(commit);
    await writeFile(join(checkout, "package.json"), "{}\n");
    expect(await tagOf()).toMatch(new RegExp(`^${commit}-\\d{14}$`));
  });

  it("builds nothing with --no-build", async () => {
    expect(verbs(await deploy([...UP, "--no-build"]))).not.toContain("az acr build");
  });

  it("waits until the new role lets it into the cluster, and says which role when it never does", async () => {
    const ended = await deploy(UP, { fails: "helm-list" });
    expect(ended.code).toBe(1);
    expect(ended.calls.filter(([, verb]) => verb === "list")).toHaveLength(3);
    expect(ended.said).toContain("Azure Kubernetes Service RBAC Cluster Admin");
    expect(ended.said).toContain("stand-in: refused");
    expect(verbs(ended)).not.toContain("helm upgrade");
  });

  it.each([
    { fails: "az-account", says: "az login", later: "az deployment" },
    { fails: "az-deployment-sub-create", says: "az bicep upgrade", later: "az deployment sub show" },
    { fails: "az-deployment-sub-create", says: "az role assignment delete", later: "az deployment sub show" },
    { fails: "az-deployment-sub-show", says: "the deployment dispatcher-dev could not be read", later: "az acr" },
    { fails: "az-acr", says: "", later: "helm" },
    { fails: "kubelogin", says: "", later: "helm" },
    { fails: "helm-upgrade", says: "kubectl logs --namespace dispatcher deployment/dispatcher", later: "nothing" },
    { fails: "helm-upgrade", says: "helm rollback --namespace dispatcher dispatcher", later: "nothing" },
    { fails: "helm-upgrade", says: "helm uninstall --namespace dispatcher dispatcher", later: "nothing" },
    { fails: "helm-upgrade", says: "az aks get-credentials --resource-group the-resourceGroupName", later: "nothing" },
  ])("stops where $fails fails", async ({ fails, says, later }) => {
    const ended = await deploy(UP, { fails });
    expect(ended.code).toBe(1);
    expect(ended.said).toContain(says);
    expect(ended.said).not.toContain("The Dispatcher runs");
    expect(verbs(ended).filter((verb) => verb.startsWith(later))).toEqual([]);
  });

  it.each(["az", "helm", "kubelogin"])("says that %s is missing, before it changes anything", async (tool) => {
    await rm(join(script.bin, tool));
    const ended = await deploy(UP);
    expect(ended).toMatchObject({ code: 1, calls: [] });
    expect(ended.said).toMatch(new RegExp(`${tool} is not installed\\. Install it: https://`));
  });

  it.each([
    { args: [], says: "the environment is missing. Name one of: dev prod" },
    {
      args: ["staging", "--values", "my values.yaml"],
      says: "staging.bicepparam. Create it, or name one of: dev prod",
    },
    { args: ["../dev", "--values", "my values.yaml"], says: "environment '../dev' is no valid name" },
    { args: ["dev", "prod"], says: "two environments are given, dev and prod" },
    { args: ["dev"], says: "--values FILE is missing" },
    { args: ["dev", "--values"], says: "--values needs a value" },
    { args: ["dev", "--values", "--what-if"], says: "--values needs a value" },
    { args: ["dev", "--values", "my values.yaml", "--values", "b.yaml"], says: "--values is given twice" },
    { args: ["dev", "--values", "nowhere.yaml"], says: "there is no file nowhere.yaml" },
    { args: ["dev", "--values", "my values.yaml", "--tag", "a b"], says: "tag 'a b' is not valid" },
    { args: ["dev", "--values", "my values.yaml", "--no-build"], says: "--no-build needs --tag" },
    { args: ["dev", "--values", "my values.yaml", "--yes"], says: "--yes belongs to down" },
    { args: ["dev", "--force"], says: "there is no option --force" },
    { args: ["down"], says: "the environment is missing" },
    { args: ["down", "dev", "--what-if"], says: "down takes" },
    { args: ["down", "dev", "--values", "my values.yaml"], says: "down takes" },
    { args: ["down", "dev", "--region", "northeurope"], says: "down takes" },
  ])("refuses $args with a reason, and calls nobody", async ({ args, says }) => {
    const ended = await deploy(args);
    expect(ended).toMatchObject({ code: 2, calls: [] });
    expect(ended.said).toContain(says);
  });

  it("explains itself", async () => {
    const ended = await deploy(["--help"]);
    expect(ended).toMatchObject({ code: 0, calls: [] });
    expect(ended.said).toContain("usage: infra/deploy.sh");
  });
});

describe("deploy.sh down", () => {
  it("says what it deletes and what stays, and deletes nothing unless the environment's name is typed", async () => {
    for (const stdin of ["", "y\n", "yes\n", "prod\n"]) {
      const ended = await deploy(["down", "dev"], { stdin });
      expect(ended.code).toBe(1);
      expect(ended.said).toContain("the-serviceBusFullyQualifiedNamespace with every message");
      expect(ended.said).toContain("nothing was deleted");
      expect(verbs(ended).filter((verb) => CHANGES.test(verb))).toEqual([]);
    }
  });

  it.each([
    { args: [], stdin: "dev\n" },
    { args: ["--yes"], stdin: "" },
  ])("uninstalls the release and nothing else once it is told to: $args", async ({ args, stdin }) => {
    const ended = await deploy(["down", "dev", ...args], { stdin });
    expect(ended.code).toBe(0);
    expect(callOf(ended, "helm", "uninstall").slice(0, 5)).toEqual([
      "helm",
      "uninstall",
      "dispatcher",
      "--namespace",
      "dispatcher",
    ]);
    expect(verbs(ended).filter((verb) => CHANGES.test(verb))).toEqual([
      "kubelogin convert-kubeconfig",
      "helm uninstall dispatcher",
    ]);
  });

  it("says that there is nothing to take down where nothing was deployed", async () => {
    const ended = await deploy(["down", "dev", "--yes"], { fails: "az-deployment-sub-show" });
    expect(ended.code).toBe(1);
    expect(ended.said).toContain("the deployment dispatcher-dev could not be read");
    expect(verbs(ended)).not.toContain("helm uninstall dispatcher");
  });
});

/** The values that a call of helm sets, by path. */
function literals(call: readonly string[]): [path: string, value: string][] {
  return call.flatMap((word, index) => {
    const at = word.indexOf("=");
    return call[index - 1] === "--set-literal" ? [[word.slice(0, at), word.slice(at + 1)] as [string, string]] : [];
  });
}
