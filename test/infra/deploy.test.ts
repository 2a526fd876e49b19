import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { valueAt } from "../../shared/plain-data.ts";
import {
  DEPLOYER,
  type Deployed,
  type DeployOptions,
  type DeployScript,
  makeDeployScript,
} from "../support/deploy-script.ts";
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
const VALUES = ["dev", "--values", "my values.yaml"];
const UP = [...VALUES, "--build", "--tag", "1.2.3"];
const DIGEST = `sha256:0123456789ab${"c".repeat(52)}`;
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
/** What AKS's own roles of writers and admins of namespaces do not allow, though they allow to list Secrets. */
const POLICIES = "validatingadmissionpolicies.admissionregistration.k8s.io";
/** The value of each option of a call. */
const optionsOf = (call: readonly string[]): Record<string, string | undefined> =>
  Object.fromEntries(call.flatMap((word, at) => (word.startsWith("--") ? [[word, call[at + 1]]] : [])));
const CHANGES = /(?<!can-i )create|build|import|install|upgrade|uninstall|delete|convert|annotate|restart/;

describe("deploy.sh", () => {
  it("checks the chart, deploys, builds, logs in to the cluster and installs, in this order", async () => {
    const ended = await deploy(UP);
    expect(ended.said).toContain("Acme Development");
    expect(ended.code).toBe(0);
    expect(verbs(ended)).toEqual([
      "az account show",
      "helm template dispatcher " + join(ROOT, "keda"),
      "az deployment sub show",
      "az deployment sub create",
      "az deployment sub show",
      "az acr build",
      "az aks get-credentials",
      "kubelogin convert-kubeconfig",
      "az aks show",
      "az account get-access-token",
      "kubectl auth can-i create namespaces",
      `kubectl auth can-i create ${POLICIES}`,
      "kubectl auth can-i create namespaces",
      `kubectl auth can-i create ${POLICIES}`,
      "kubectl rollout status deployment/keda-operator",
      "kubectl get pods",
      "helm upgrade",
      "kubectl get scaledobject dispatcher",
      "az role assignment list",
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

  it.each([
    {
      name: "it is, if it exists",
      region: "northeurope",
      file: "param location = 'usgovvirginia'",
      want: "northeurope",
    },
    { name: "the resources go, if it is new", file: "param location = 'usgovvirginia' // ours", want: "usgovvirginia" },
    { name: "Europe is, if the parameter file does not say", file: "param location = mine", want: "westeurope" },
    { name: "it is told to", region: "northeurope", args: ["--region", "uksouth"], want: "uksouth" },
  ])("keeps the deployment's record where $name", async ({ region, file = "", args = [], want }) => {
    const checkout = join(script.directory, "checkout");
    for (const directory of ["infra", "keda"])
      await cp(join(ROOT, directory), join(checkout, directory), { recursive: true });
    await writeFile(join(checkout, "infra", "gov.bicepparam"), `using 'main.bicep'\n\n${file}\nparam sources = []\n`);
    const program = join(checkout, "infra/deploy.sh");
    for (const end of [["--what-if"], ["--tag", "1"]]) {
      const up = ["gov", "--values", "my values.yaml", ...args, ...end];
      const ended = await deploy(up, { program, ...(region === undefined ? {} : { region }) });
      expect(ended.code).toBe(0);
      const verb = end[0] === "--what-if" ? "what-if" : "create";
      expect(optionsOf(callOf(ended, "az", "deployment", "sub", verb))["--location"]).toBe(want);
    }
  });

  it("fills the chart's values with the deployment's outputs, and gives it the same values file as Bicep", async () => {
    const ended = await deploy(UP);
    const helm = callOf(ended, "helm", "upgrade");
    const file = join(script.directory, "my values.yaml");
    // The deployer's own values come last, so that they win.
    expect(helm.slice(0, 12)).toEqual(
      words("helm upgrade --install dispatcher").concat(
        join(ROOT, "keda"),
        words("--namespace dispatcher --create-namespace --values"),
        join(ROOT, "infra", "values.aks.yaml"),
        "--values",
        file,
      ),
    );
    const relative = /^values: (.*)$/m.exec(await readFile(join(script.directory, "record.values"), "utf8"))?.[1] ?? "";
    expect(resolve(ROOT, "infra", relative)).toBe(file);
    expect(relative.startsWith("../")).toBe(true);
    expect(Object.fromEntries(literals(helm))).toEqual({
      "image.repository": "acme.azurecr.io/dispatcher",
      "image.tag": "1.2.3",
      jobNamespace: "the-jobNamespace",
      "serviceBus.fullyQualifiedNamespace": "the-serviceBusFullyQualifiedNamespace",
      "storage.accountName": "the-storageAccountName",
      "storage.blobServiceUri": "the-storageBlobServiceUri",
      "storage.tableServiceUri": "the-storageTableServiceUri",
      "workloadIdentity.clientId": "the-workloadIdentityClientId",
      "workloadIdentity.tenantId": "the-workloadIdentityTenantId",
      "kedaIdentity.clientId": "the-kedaIdentityClientId",
      "jobIdentity.clientId": "the-jobIdentityClientId",
      "applicationInsights.connectionString": "the-applicationInsightsConnectionString",
      "applicationInsights.logLevel": "the-applicationInsightsLogLevel",
      "settings.table": "the-settingsTable",
      "settings.lockDuration": "the-settingsLockDuration",
    });
  });

  it("uses all outputs of the template, and no others, each for the value that it is named after", async () => {
    const ended = await deploy(UP);
    const asked = [...ended.calls.join(" ").matchAll(/outputs\.(\w+)\.value/g)];
    expect(asked.map(([, name]) => String(name)).toSorted()).toEqual(
      Object.keys(readPrediction("dev").outputs).toSorted(),
    );
    for (const [path, value] of literals(callOf(ended, "helm", "upgrade"))) {
      const camelCase = path.replaceAll(/\.(\w)/g, (_, letter: string) => letter.toUpperCase());
      expect([`the-${camelCase}`, "acme.azurecr.io/dispatcher", "1.2.3"]).toContain(value);
    }
  });

  it("warns if the alerts are sent to nobody, and says what to write where", async () => {
    const nobody = await deploy(UP, { outputs: { alertAddressees: "0" } });
    expect(nobody.code).toBe(0);
    expect(nobody.said).toContain("WARNING: nobody is told of an alert");
    expect(nobody.said).toContain(join(ROOT, "infra", "dev.bicepparam"));
    expect((await deploy(UP, { outputs: { alertAddressees: "1" } })).said).not.toContain("WARNING");
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

  it("changes nothing with --what-if, and needs no image and no way into the cluster for it", async () => {
    await rm(join(script.bin, "kubectl"));
    await rm(join(script.bin, "kubelogin"));
    const ended = await deploy([...VALUES, "--what-if"]);
    expect(ended.code).toBe(0);
    expect(verbs(ended)).toEqual([
      "az account show",
      "helm template dispatcher " + join(ROOT, "keda"),
      "az deployment sub show",
      "az deployment sub what-if",
    ]);
    expect(ended.said).toContain("Nothing was changed");
  });

  it.each([{ args: [] }, { args: ["--what-if"] }])(
    "touches nothing if the chart refuses the values: $args",
    async ({ args }) => {
      const ended = await deploy([...UP, ...args], { fails: "helm-template" });
      expect(ended.code).toBe(1);
      expect(ended.said).toContain(`the chart refuses the values in ${join(script.directory, "my values.yaml")}`);
      expect(ended.said).toContain("Nothing was deployed");
      expect(verbs(ended).filter((verb) => verb.startsWith("az deployment"))).toEqual([]);
    },
  );

  it.each([
    { image: "functions", tag: /^([0-9a-f]{12}(-\d{14})?|\d{14})$/ },
    { image: "standalone", tag: /^([0-9a-f]{12}(-\d{14})?|\d{14})-standalone$/ },
  ])(
    "tags a build of $image with the commit, and with the time as well if files have changed",
    async ({ image, tag }) => {
      const ended = await deploy([...VALUES, "--build", "--image", image]);
      expect(callOf(ended, "az", "acr", "build").join(" ")).toContain(` --target ${image} `);
      expect(tagOf(ended)).toMatch(tag);
    },
  );

  it("takes the commit's own tag where what has changed is in no image, such as the values", async () => {
    const checkout = join(script.directory, "checkout");
    for (const file of ["infra", "keda", ".dockerignore", "package.json"])
      await cp(join(ROOT, file), join(checkout, file), { recursive: true });
    const git = (...args: string[]) =>
      execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b", ...args], { cwd: checkout, encoding: "utf8" });
    git("init", "--quiet");
    git("add", ".");
    git("commit", "--quiet", "--message", "a");
    const commit = git("rev-parse", "--short=12", "HEAD").trim();
    const build = async (options: DeployOptions = {}, ...args: readonly string[]) =>
      deploy([...VALUES, "--build", ...args], { program: join(checkout, "infra/deploy.sh"), ...options });
    const isNew = { fails: "az-acr-repository" };
    await writeFile(join(checkout, "my-values.yaml"), "modules: []\n");
    expect(tagOf(await build(isNew))).toBe(commit);
    // The registry has it already, and so may the nodes. Its base may be newer by now.
    const again = await build({}, "--image", "standalone");
    expect(tagOf(again)).toMatch(new RegExp(`^${commit}-\\d{14}-standalone$`));
    expect(callOf(again, "az", "acr", "repository", "show")).toContain(`dispatcher:${commit}-standalone`);
    await writeFile(join(checkout, "package.json"), "{}\n");
    expect(tagOf(await build(isNew))).toMatch(new RegExp(`^${commit}-\\d{14}$`));
  });

  it("imports a released image by its digest, and tags it with that", async () => {
    const ended = await deploy([...VALUES, "--from", `ghcr.io/acme/dispatcher@${DIGEST}`]);
    expect(ended.code).toBe(0);
    expect(callOf(ended, "az", "acr", "import").join(" ")).toBe(
      `az acr import --name the-registryName --source ghcr.io/acme/dispatcher@${DIGEST} ` +
        "--image dispatcher:sha256-0123456789ab --force --output none",
    );
    expect(tagOf(ended)).toBe("sha256-0123456789ab");
    expect(verbs(ended)).not.toContain("az acr build");
  });

  it("uses an image that is in the registry, after a look whether it is", async () => {
    const ended = await deploy([...VALUES, "--tag", "1.2.3"]);
    expect(callOf(ended, "az", "acr", "repository", "show").join(" ")).toContain("--image dispatcher:1.2.3 ");
    expect(verbs(ended).filter((verb) => /acr (build|import)/.test(verb))).toEqual([]);
    expect(tagOf(ended)).toBe("1.2.3");
  });

  it.each([
    {
      args: ["--from", `ghcr.io/acme/dispatcher@${DIGEST}`],
      fails: "az-acr-import",
      says: ["--username NAME --password TOKEN", "with --tag sha256-0123456789ab in place of --from"],
    },
    {
      args: ["--build", "--tag", "1.2.3", "--image", "standalone"],
      fails: "az-acr-build",
      says: [
        "TasksOperationsNotAllowed",
        `docker build --platform linux/amd64 --target standalone --tag acme.azurecr.io/dispatcher:1.2.3 ${ROOT}`,
        "toomanyrequests",
        "with --tag 1.2.3 in place of --build",
      ],
    },
    {
      args: ["--tag", "1.2.3"],
      fails: "az-acr-repository",
      says: ["acme.azurecr.io/dispatcher:1.2.3 could not be found", "az acr repository show-tags"],
    },
  ])("says how to get an image if $fails fails, and installs nothing", async ({ args, fails, says }) => {
    const ended = await deploy([...VALUES, ...args], { fails });
    expect(ended.code).toBe(1);
    for (const text of says) expect(ended.said).toContain(text);
    expect(verbs(ended).filter((verb) => /^(helm upgrade|kubectl)/.test(verb))).toEqual([]);
  });

  it("restarts KEDA's operator once if one of its pods has no identity yet, before it installs", async () => {
    const ended = await deploy(UP, {
      answers: {
        "kubectl-get-pods": [
          "|AZURE_FEDERATED_TOKEN_FILE\n|WATCH_NAMESPACE\n",
          "2026-01-01T00:00:00Z|WATCH_NAMESPACE\n|WATCH_NAMESPACE AZURE_FEDERATED_TOKEN_FILE\n",
        ],
      },
    });
    expect(ended.code).toBe(0);
    const ofKeda = verbs(ended).filter((verb) => /^(kubectl (?!auth)|helm upgrade)/.test(verb));
    expect(ofKeda).toEqual([
      "kubectl rollout status deployment/keda-operator",
      "kubectl get pods",
      "kubectl annotate serviceaccount keda-operator",
      "kubectl rollout restart deployment/keda-operator",
      "kubectl rollout status deployment/keda-operator",
      "kubectl get pods",
      "helm upgrade",
      "kubectl get scaledobject dispatcher",
    ]);
    expect(callOf(ended, "kubectl", "annotate")).toContain(
      "azure.workload.identity/client-id=the-kedaIdentityClientId",
    );
  });

  it("says so if KEDA's operator has no identity after the restart either", async () => {
    const ended = await deploy(UP, { answers: { "kubectl-get-pods": ["|WATCH_NAMESPACE\n"] } });
    expect(ended.code).toBe(1);
    expect(ended.said).toContain("KEDA's operator still runs without an identity");
    expect(verbs(ended)).not.toContain("helm upgrade");
  });

  it("waits until KEDA has counted the messages", async () => {
    const ended = await deploy(UP, {
      answers: {
        "kubectl-get-scaledobject": [
          " Ready=True  Active=Unknown  Fallback=Unknown  HPAActive=True ",
          " Ready=True  Active=True  Fallback=False Count=Failing ",
          " Ready=True  Active=True  Fallback=False Count=Happy ",
        ],
      },
    });
    expect(ended.code).toBe(0);
    expect(verbs(ended).filter((verb) => verb === "kubectl get scaledobject dispatcher")).toHaveLength(3);
  });

  it.each([
    { name: "never understands the ScaledObject", state: " Ready=False  Active=Unknown  Fallback=Unknown " },
    { name: "counts only some sources", state: " Ready=Unknown  Active=True  Fallback=False " },
    { name: "can't read one count", state: " Ready=True  Active=False  Fallback=False Count=Happy Count=Failing " },
    { name: "falls back", state: " Ready=True  Active=False  Fallback=True " },
    { name: "has not looked at it", state: "" },
  ])("says what KEDA says if it $name", async ({ state }) => {
    const ended = await deploy(UP, {
      answers: {
        "kubectl-get-scaledobject": [state, state, state, "Ready=False: 401 Unauthorized\n"],
        "kubectl-get-events": ["KEDAScalerFailed: no token\n"],
      },
    });
    expect(ended.code).toBe(1);
    expect(ended.said).toContain("the Dispatcher runs, but KEDA does not scale it");
    expect(ended.said).toContain("Ready=False: 401 Unauthorized\nKEDAScalerFailed: no token\n");
    expect(ended.said).toContain("kubectl logs --namespace kube-system deployment/keda-operator");
    expect(ended.said).not.toContain("The Dispatcher runs. ");
  });

  it("makes the deployer an administrator of the cluster, and takes that back, however it ends", async () => {
    for (const [refused, fails] of [
      [POLICIES, ""],
      ["namespaces", ""],
      [POLICIES, "helm-upgrade"],
    ] as const) {
      const ended = await deploy(UP, { refused, fails });
      expect(ended.code).toBe(fails === "" ? 0 : 1);
      const create = callOf(ended, "az", "role", "assignment", "create");
      expect(optionsOf(create)).toMatchObject({
        "--role": "Azure Kubernetes Service RBAC Cluster Admin",
        "--scope": "/the-cluster-id",
        "--assignee-object-id": DEPLOYER,
        "--assignee-principal-type": "User",
      });
      const { "--query": query } = optionsOf(callOf(ended, "az", "role", "assignment", "list"));
      expect(query).toContain(`description=='${optionsOf(create)["--description"]}'`);
      expect(query).toContain(`principalId=='${DEPLOYER}'`);
      expect(callOf(ended, "az", "role", "assignment", "delete")).toEqual(
        words("az role assignment delete --ids /the-assignment --output none"),
      );
      expect(verbs(ended).at(-1)).toBe("az role assignment delete");
    }
  });

  it("leaves the roles of a deployer alone whom the cluster lets in already", async () => {
    expect(verbs(await deploy(UP)).filter((verb) => verb.startsWith("az role"))).toEqual(["az role assignment list"]);
  });

  it("says how to take the role back if that fails, and succeeds all the same", async () => {
    const ended = await deploy(UP, { refused: POLICIES, fails: "az-role-assignment-delete" });
    expect(ended.code).toBe(0);
    expect(ended.said).toMatch(/could not be taken back from you.*Run this command again/s);
  });

  it("asks for no role if az tells no id of the cluster, because no scope means the whole subscription", async () => {
    const ended = await deploy(UP, { refused: POLICIES, answers: { "az-aks-show": [""] } });
    expect(ended.code).toBe(1);
    expect(ended.said).toContain("az tells no id of the cluster the-aksName");
    expect(verbs(ended).filter((verb) => verb.startsWith("az role"))).toEqual([]);
  });

  it("says which role is missing if it may not give the deployer any", async () => {
    const ended = await deploy(UP, { refused: POLICIES, fails: "az-role-assignment-create" });
    expect(ended.code).toBe(1);
    expect(ended.said).toContain("give you the role 'Azure Kubernetes Service RBAC Cluster Admin'");
    expect(verbs(ended)).not.toContain("helm upgrade");
  });

  it("waits until the new role lets it into the cluster, and says which role when it never does", async () => {
    const ended = await deploy(UP, { fails: "kubectl-auth" });
    expect(ended.code).toBe(1);
    // Asks once before it assigns the role, and in another way, because a cluster remembers a refusal for some minutes.
    const asked = ended.calls.filter(([program, verb]) => program === "kubectl" && verb === "auth");
    expect(asked.map((call) => call.slice(3))).toEqual([
      ["create", "namespaces", "--namespace", "kube-system"],
      ...Array.from({ length: 3 }, () => ["create", "namespaces", "--all-namespaces"]),
    ]);
    expect(ended.said).toContain("Azure Kubernetes Service RBAC Cluster Admin");
    expect(ended.said).toContain("stand-in: refused");
    expect(verbs(ended)).not.toContain("helm upgrade");
    expect(verbs(ended).at(-1)).toBe("az role assignment delete");
  });

  it.each([
    { fails: "az-account", says: "az login", later: "az deployment" },
    { fails: "az-deployment-sub-create", says: "az bicep upgrade", later: "az acr" },
    { fails: "az-deployment-sub-create", says: "az role assignment delete", later: "az acr" },
    { fails: "az-deployment-sub-create", says: "az lock delete --name keep", later: "az acr" },
    { fails: "az-deployment-sub-show", says: "the deployment dispatcher-dev could not be read", later: "az acr" },
    { fails: "az-aks-get-credentials", says: "az aks show --resource-group the-resource", later: "kubelogin" },
    { fails: "kubelogin", says: "", later: "kubectl auth" },
    { fails: "az-aks-show", says: "the cluster the-aksName in resource group the-", later: "az role" },
    {
      refused: POLICIES,
      fails: "az-account-show---query-user.type",
      says: "az does not tell whether you are a person or a program",
      later: "az role assignment create",
    },
    { fails: "kubectl-rollout-status", says: "az aks update --resource-group the-", later: "helm upgrade" },
    { fails: "kubectl-get-pods", says: "could not be read; kubectl says why above", later: "helm upgrade" },
    { fails: "kubectl-get-scaledobject", says: "its ScaledObject could not be read", later: "nothing" },
    { fails: "helm-upgrade", says: "kubectl logs --namespace dispatcher deployment/dispatcher", later: "nothing" },
    { fails: "helm-upgrade", says: "helm rollback --namespace dispatcher dispatcher", later: "nothing" },
    { fails: "helm-upgrade", says: "helm uninstall --namespace dispatcher dispatcher", later: "nothing" },
    { fails: "helm-upgrade", says: "az aks get-credentials --resource-group the-resourceGroupName", later: "nothing" },
  ])("stops where $fails fails", async ({ refused = "", fails, says, later }) => {
    const ended = await deploy(UP, { refused, fails });
    expect(ended.code).toBe(1);
    expect(ended.said).toContain(says);
    expect(ended.said).not.toContain("The Dispatcher runs");
    expect(verbs(ended).filter((verb) => verb.startsWith(later))).toEqual([]);
  });

  it.each(["az", "helm", "kubectl", "kubelogin"])(
    "says that %s is missing, before it changes anything",
    async (tool) => {
      await rm(join(script.bin, tool));
      for (const args of [UP, ["down", "dev", "--yes"]]) {
        const ended = await deploy(args);
        expect(ended).toMatchObject({ code: 1, calls: [] });
        expect(ended.said).toMatch(new RegExp(`${tool} is not installed\\. Install it: https://`));
      }
    },
  );

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
    { args: VALUES, says: "no image is named. Import a released one with --from IMAGE@sha256:DIGEST" },
    { args: [...VALUES, "--from", "ghcr.io/a/b:1.2.3"], says: "names no image by its digest" },
    { args: [...VALUES, "--from", `dispatcher@${DIGEST}`], says: "names no image by its digest" },
    { args: [...VALUES, "--from", `ghcr.io/a/b@${DIGEST}`, "--build"], says: "name two images" },
    { args: [...VALUES, "--from", `ghcr.io/a/b@${DIGEST}`, "--tag", "1"], says: "the digest makes the tag" },
    { args: [...VALUES, "--tag", "1", "--image", "standalone"], says: "--image says what --build builds" },
    { args: [...VALUES, "--build", "--image", "build"], says: "--image 'build' is not an image of the Dockerfile" },
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
      expect(ended.said).toContain("namespace the-bus with every message");
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

  it("makes the deployer an administrator for as long", async () => {
    const ended = await deploy(["down", "dev", "--yes"], { refused: POLICIES });
    expect(ended.code).toBe(0);
    expect(verbs(ended).filter((verb) => CHANGES.test(verb))).toEqual([
      "kubelogin convert-kubeconfig",
      "az role assignment create",
      "helm uninstall dispatcher",
      "az role assignment delete",
    ]);
  });

  it("finds the cluster by what a deployment was given, because one that failed half-way has no outputs", async () => {
    const ended = await deploy(["down", "dev", "--yes"], { outputs: { aksName: "None", resourceGroupName: "None" } });
    expect(ended.code).toBe(0);
    expect(callOf(ended, "az", "deployment", "sub", "show").join(" ")).not.toContain("outputs");
    const credentials = callOf(ended, "az", "aks", "get-credentials").join(" ");
    expect(credentials).toContain(
      `--resource-group ${String(readPrediction("dev").outputs["resourceGroupName"])} --name the-aks `,
    );
    expect(verbs(ended)).toContain("helm uninstall dispatcher");
  });

  it("uninstalls nothing if the deployment failed before there was a cluster, and says what stays", async () => {
    const ended = await deploy(["down", "dev"], {
      answers: { "az-resource-list": ["Microsoft.ServiceBus/namespaces\tthe-bus\n"] },
    });
    expect(ended.code).toBe(0);
    expect(ended.said).toContain("There is no cluster in resource group rg-dispatcher-dev");
    expect(ended.said).toContain("az group delete --name rg-dispatcher-dev");
    expect(verbs(ended).filter((verb) => CHANGES.test(verb))).toEqual([]);
  });

  it("says that a resource is not there yet, if the deployment failed before it", async () => {
    const ended = await deploy(["down", "dev", "--yes"], {
      answers: { "az-resource-list": ["Microsoft.ContainerService/managedClusters\tthe-aks\n"] },
    });
    expect(ended.code).toBe(0);
    expect(ended.said).toContain("Service Bus namespace (none yet)");
  });

  it.each([
    { fails: "az-deployment-sub-show", says: "the deployment dispatcher-dev could not be read" },
    { fails: "az-resource-list", says: "the resource group rg-dispatcher-dev could not be read" },
    { fails: "az-aks-get-credentials", says: "If the cluster could not be created, nothing runs on it" },
  ])("says what it can't find, if $fails fails, and uninstalls nothing", async ({ fails, says }) => {
    const ended = await deploy(["down", "dev", "--yes"], { fails });
    expect(ended.code).toBe(1);
    expect(ended.said).toContain(says);
    expect(verbs(ended)).not.toContain("helm uninstall dispatcher");
  });

  it("says what to do if helm can't uninstall", async () => {
    const ended = await deploy(["down", "dev", "--yes"], { fails: "helm-uninstall" });
    expect(ended.code).toBe(1);
    expect(ended.said).toContain("helm could not uninstall release dispatcher");
    expect(ended.said).not.toContain("Uninstalled.");
  });
});

/** The tag of the image that is installed. */
function tagOf(ended: Deployed): string | undefined {
  return literals(callOf(ended, "helm", "upgrade")).find(([path]) => path === "image.tag")?.[1];
}

/** The values that a call of helm sets, by path. */
function literals(call: readonly string[]): [path: string, value: string][] {
  return call.flatMap((word, index) => {
    const at = word.indexOf("=");
    return call[index - 1] === "--set-literal" ? [[word.slice(0, at), word.slice(at + 1)] as [string, string]] : [];
  });
}
