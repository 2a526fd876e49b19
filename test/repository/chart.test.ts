import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { API } from "../../shared/api/answer.ts";
import { PAGE } from "../../shared/api/door.ts";
import { moduleJsonSchema } from "../../shared/module-files/module-schema.ts";
import { isRecord, valueAt } from "../../shared/plain-data.ts";
import { formattedJson } from "../support/formatted-json.ts";

// These tests check the chart without helm. test/cluster/chart*.test.ts and job-policy.test.ts test what it renders,
// with helm and a cluster.
const read = (file: string) => readFileSync(`keda/${file}`, "utf8");
const values: unknown = parse(read("values.yaml"));
const schema: Record<string, unknown> = JSON.parse(read("values.schema.json"));

describe("keda/values.schema.json", () => {
  it("says of a module what modules/module.schema.json says (vitest -u writes it anew)", async () => {
    const { $schema, ...module } = moduleJsonSchema();
    expect($schema).toBe(schema["$schema"]);
    const expected = formattedJson({ ...schema, definitions: { module } });
    await expect(expected).toMatchFileSnapshot("../../keda/values.schema.json");
  });

  const validate = new Ajv({ strict: false, allErrors: true }).compile(schema);
  const problems = (given: unknown) => {
    validate(given);
    return (validate.errors ?? []).map(({ instancePath }) => instancePath);
  };

  it("lets the default values and the examples pass", () => {
    for (const file of ["values.yaml", "values.production.yaml", "values.scale-to-zero.yaml", "values.page.yaml"])
      expect([file, problems(parse(read(file)))]).toEqual([file, []]);
  });

  it("describes every field, gives each a default in values.yaml, and allows no other", () => {
    const { global, ...fields } = propertiesOf(schema);
    expect(global).toMatchObject({ description: expect.any(String) });
    expect(undescribed(fields)).toEqual([]);
    expect(leaves(fields).toSorted()).toEqual(pathsOf(values).toSorted());
    for (const path of ["", ".image", ".serviceBus.connectionStringSecret", ".scaling"])
      expect(problems(nested(`${path}.no-such-field`.split(".").slice(1), 1))).toEqual([path.replaceAll(".", "/")]);
  });

  it.each([
    ["instance", "Has Capitals"],
    ["jobNamespace", ""],
    ["serviceBus.fullyQualifiedNamespace", "https://acme.servicebus.windows.net"],
    ["storage.accountName", "Acme"],
    ["workloadIdentity.clientId", "me"],
    ["settings.lockDuration", "5 minutes"],
    ["settings.table", "1st"],
    ["scaling.minReplicas", 0],
    ["scaling.messageCount", "1000"],
    ["image.pullPolicy", "Sometimes"],
    ["page.origin", "http://dispatcher.acme.example"],
    ["page.origin", "https://dispatcher.acme.example/api"],
    ["page.issuer", "http://login.acme.example"],
  ])("refuses a wrong %s by its name", (field, value) => {
    const path = field.split(".");
    expect(problems(nested(path, value))).toEqual([`/${path.join("/")}`]);
  });
});

it("the examples of a login agree: the proxy's values, those of the page, and the chart's Service", () => {
  const page = valueAt(parse(read("values.page.yaml")), ["page"]);
  const [origin, issuer] = ["origin", "issuer"].map((field) => String(valueAt(page, [field])));
  const proxy: unknown = parse(read("oauth2-proxy.yaml"));
  const config = String(valueAt(proxy, ["config", "configFile"]));
  expect(config).toContain(`oidc_issuer_url = "${issuer}"`);
  expect(config).toContain(`redirect_url = "${origin}/oauth2/callback"`);
  expect(valueAt(proxy, ["ingress", "hosts"])).toEqual([new URL(origin ?? "").host]);
  const service = /name: \{\{ \.Release\.Name \}\}(-\w+)/.exec(read("templates/page-service.yaml"))?.[1];
  for (const path of [PAGE, `${API}/`])
    expect(config).toContain(`"http://dispatcher${service}.dispatcher.svc.cluster.local${path}"`);
});

function propertiesOf(given: unknown): Record<string, unknown> {
  const properties = valueAt(given, ["properties"]);
  return isRecord(properties) ? properties : {};
}

/** The names of the fields without a description. */
function undescribed(fields: Record<string, unknown>): string[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const items = valueAt(field, ["items"]);
    const below = { ...propertiesOf(field), ...propertiesOf(items) };
    return [...(typeof valueAt(field, ["description"]) === "string" ? [] : [name]), ...undescribed(below)];
  });
}

/** The paths of the schema's fields that have no fields below. */
function leaves(fields: Record<string, unknown>): string[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const below = leaves(propertiesOf(field));
    return below.length === 0 ? [name] : below.map((path) => `${name}.${path}`);
  });
}

/** The paths of the values, down to those that the schema leaves to Kubernetes. */
function pathsOf(value: unknown, above = ""): string[] {
  const isLeaf = !isRecord(value) || Object.keys(value).length === 0 || /^resources\.\w+\.$/.test(above);
  if (isLeaf) return [above.slice(0, -1)];
  return Object.entries(value).flatMap(([name, below]) => pathsOf(below, `${above}${name}.`));
}

function nested(path: readonly string[], value: unknown): unknown {
  return path.reduceRight<unknown>((below, name) => ({ [name]: below }), value);
}
