import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv } from "ajv";
import { expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { checkValues, jobImage, SOURCES } from "../../check-azure/check-values.ts";
import { scaleToZero } from "../../check-azure/checks/scale-to-zero.ts";
import { soak } from "../../check-azure/checks/soak.ts";
import { webSockets } from "../../check-azure/checks/web-sockets.ts";
import { environmentOf, newEnvironment, parametersOf, regionIn } from "../../check-azure/environment.ts";
import { readSignIn, withoutSignIn } from "../../check-azure/sign-in.ts";
import { bicep } from "../support/bicep.ts";
import { ROOT } from "../support/run-program.ts";
import { podList, scriptedAzure } from "./scripted-azure.ts";

const FLAGS = { yes: true, region: undefined, from: undefined, premium: false };
const FOUND = { principalId: "me", kubernetesVersion: "1.36" };
const SIGN_IN = {
  AZURE_SUBSCRIPTION_ID: "subscription",
  AZURE_TENANT_ID: "tenant",
  AZURE_CLIENT_ID: "client",
  AZURE_CLIENT_SECRET: "secret",
};
const anyValues = z.record(z.string(), z.unknown());
const read = (...path: string[]) => readFile(join(ROOT, ...path), "utf8");

it("takes the parameters of dev, in an environment of its own", async () => {
  const dev = await read("infra", "dev.bicepparam");
  const own = parametersOf(dev, environmentOf("dev-123456"), FOUND, FLAGS);
  expect(regionIn(dev)).toBe("westeurope");
  const changed = own.split("\n").filter((line) => !dev.split("\n").includes(line));
  expect(changed).toEqual([
    "param environmentName = 'dev-123456'",
    "param operatorPrincipalIds = ['me']",
    "param senderPrincipalIds = ['me']",
    "param kubernetesVersion = '1.36'",
  ]);
  const other = parametersOf(dev, environmentOf("dev-123456"), FOUND, {
    ...FLAGS,
    region: "northeurope",
    premium: true,
  });
  expect(other).toMatch(/^param location = 'northeurope'$/m);
  expect(other).toMatch(/^param serviceBusSku = 'Premium'$/m);
});

it("names an environment that infra/ takes, and that no other run has", () => {
  const names = Array.from({ length: 100 }, () => newEnvironment().name);
  expect(new Set(names).size).toBe(100);
  for (const name of names) expect(name).toMatch(/^dev-[0-9a-f]{6}$/);
});

it("names what infra/ creates as infra/ does", async () => {
  const main = await read("infra", "main.bicep");
  const { group, cluster } = environmentOf("NAME");
  const base = /^var baseName = '(.*)'$/m.exec(main)?.[1]?.replace("${environmentName}", "NAME") ?? "";
  const named = (text: string) => text.replaceAll("${baseName}", base);
  expect(named(main)).toContain(`'${group}'`);
  expect(named(main)).toContain(`'${cluster}'`);
});

it("installs values that the chart's schema and the app take", async () => {
  const image = jobImage(await read("Dockerfile"));
  const isValid = new Ajv({ strict: false }).compile(JSON.parse(await read("keda", "values.schema.json")));
  const defaults = anyValues.parse(parse(await read("keda", "values.yaml")));
  const azure = scriptedAzure({
    answers: {
      "kubectl get deployment": "keda:2.19.0",
      "kubectl get pods": podList(),
      "kubectl get --raw": '{"items":[]}',
    },
  });
  await scaleToZero.run(azure);
  await soak.run(azure);
  await webSockets.run(azure);
  const deployed = azure.done.flatMap((call) => /^deploy (.*)/.exec(call)?.[1] ?? []).map((json) => JSON.parse(json));
  expect(deployed.length).toBeGreaterThan(2);
  for (const changes of deployed) {
    const values = anyValues.parse(parse(stringify(checkValues(image, changes))));
    expect(isValid({ ...defaults, ...values }) || isValid.errors).toBe(true);
  }
  const { modules } = z.object({ modules: z.array(z.object({ source: z.unknown() })) }).parse(checkValues(image));
  expect(modules.map(({ source }) => source)).toEqual(Object.values(SOURCES));
});

it("names the variables that are missing", () => {
  expect(readSignIn(SIGN_IN)).toEqual({
    subscriptionId: "subscription",
    tenantId: "tenant",
    clientId: "client",
    clientSecret: "secret",
  });
  expect(() => readSignIn({ ...SIGN_IN, AZURE_TENANT_ID: "" })).toThrow("Set AZURE_TENANT_ID in the environment");
  expect(withoutSignIn({ ...SIGN_IN, PATH: "/bin" })).toEqual({ PATH: "/bin" });
});

it("makes parameters that Bicep takes", { timeout: 120_000 }, async (test) => {
  const directory = await mkdtemp(join(tmpdir(), "check-azure-"));
  try {
    await cp(join(ROOT, "infra"), directory, { recursive: true });
    const values = join(directory, "values.yaml");
    await writeFile(values, stringify(checkValues("image")));
    const dev = await read("infra", "dev.bicepparam");
    const flags = { ...FLAGS, region: "northeurope", premium: true };
    await writeFile(join(directory, "own.bicepparam"), parametersOf(dev, environmentOf("dev-123456"), FOUND, flags));
    const built = await bicep(test, ["build-params", "own.bicepparam", "--stdout"], {
      cwd: directory,
      env: { DISPATCHER_VALUES: "values.yaml" },
    });
    expect(built).toMatchObject({ code: 0, stderr: "" });
    expect(built.stdout).toContain("check-events");
    expect(built.stdout).toContain("dev-123456");
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
