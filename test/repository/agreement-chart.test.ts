import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { valueAt } from "../../shared/plain-data.ts";
import { RIGHTS } from "../../shared/ports/rights.ts";
import { SETTINGS } from "../../shared/settings/settings.ts";
import { readImage } from "../support/container-image.ts";

// These tests compare what the code and the images expect with what the chart makes. They read the templates' text, so
// they need no helm.
const read = (file: string) => readFileSync(`keda/${file}`, "utf8");

describe("the chart and the code", () => {
  /** A template's own lines, with a word in place of each action. */
  const template = (file: string) => read(`templates/${file}`).replaceAll(/\{\{.*?\}\}/g, "x");

  it("have the same rights in the job namespace", () => {
    const { rules } = parse(template("role.yaml"));
    const granted = rules.flatMap((rule: { apiGroups: string[]; resources: string[]; verbs: string[] }) =>
      rule.apiGroups.flatMap((group) =>
        rule.resources.flatMap((resource) => rule.verbs.map((verb) => `${verb} ${group}/${resource}`)),
      ),
    );
    expect(granted.toSorted()).toEqual(
      RIGHTS.map((right) => `${right.verb} ${right.group}/${right.resource}`).toSorted(),
    );
  });

  it("know the same settings", () => {
    const env = read("templates/_env.tpl");
    const rendered = [...env.matchAll(/name: ([A-Za-z_]+)(?:,|$)|\(list "(\w+)"/gm)].map(
      ([, one, other]) => one ?? other,
    );
    const hosts = [
      "APPLICATIONINSIGHTS_CONNECTION_STRING",
      "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
      "AzureFunctionsJobHost__logging__ApplicationInsights__logLevel__Function",
      "FUNCTIONS_WORKER_RUNTIME",
      "AzureFunctionsWebHost__hostid",
      "FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING",
      "languageWorkers__node__arguments",
      "NODE_OPTIONS",
    ];
    // KUBECONFIG is left out, because a pod uses its own service account.
    const app = SETTINGS.map(({ name }) => name).filter((name) => name !== "KUBECONFIG");
    expect(new Set(rendered)).toEqual(new Set([...app, ...hosts]));
    expect(rendered).toHaveLength(app.length + hosts.length);
  });

  it("ask for the same version of Kubernetes, and so do the pages", () => {
    const [, least] = /^>=(\d+\.\d+)\.0-0$/.exec(String(valueAt(parse(read("Chart.yaml")), ["kubeVersion"]))) ?? [];
    const [, minor] = /LEAST_MINOR = (\d+);/.exec(readFileSync("shared/preflight.ts", "utf8")) ?? [];
    expect(least).toBe(`1.${minor}`);
    const pages = ["README.md", "docs/deploy.md", "docs/reliability.md", "shared/adapters/kubernetes/listings.ts"];
    for (const page of pages)
      expect(readFileSync(page, "utf8").replaceAll(/\s+/g, " ")).toContain(`Kubernetes ${least} or later`);
  });

  it("agree with the images on heap, modules, port and version", () => {
    const heap = valueAt(parse(read("values.yaml")), ["heapFlags"]);
    const [functions, standalone] = [readImage("functions"), readImage("standalone")];
    expect(functions.env["languageWorkers__node__arguments"]).toBe(heap);
    expect(standalone.env["NODE_OPTIONS"]).toBe(heap);
    const deployment = read("templates/deployment.yaml");
    expect(deployment).toContain(`mountPath: ${functions.env["MODULES_DIR"]},`);
    expect(read("templates/_env.tpl")).toContain(`name: MODULES_DIR, value: ${standalone.env["MODULES_DIR"]} `);
    const port = /containerPort: (\d+)/.exec(deployment)?.[1];
    expect(functions.env["ASPNETCORE_URLS"]).toMatch(new RegExp(`:${port}$`));
    expect(standalone.command.slice(-2)).toEqual(["--port", port]);
    const { version } = JSON.parse(readFileSync("package.json", "utf8"));
    expect(parse(read("Chart.yaml"))).toMatchObject({ version, appVersion: version });
  });
});
