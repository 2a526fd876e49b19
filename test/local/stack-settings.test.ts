import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { readStackSettings } from "../../local/stack/stack-settings.ts";
import { ROOT } from "../support/run-program.ts";

const REAL_BUS = "Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=b";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "stack-settings-"));
  return () => rm(root, { recursive: true, force: true });
});

const write = (Values: Record<string, string>) =>
  writeFile(join(root, "local.settings.json"), JSON.stringify({ Values }));

describe("the settings of the stack", () => {
  test("are those of the environment, over the file's; an empty one counts as absent", async () => {
    await write({ LOCK_DURATION: "1m", JOB_RETENTION: "2h", HISTORY_RETENTION: " ", MODULES_DIR: "mine" });
    const { settings, warnings } = await readStackSettings(root, {
      LOCK_DURATION: "2m",
      JOB_RETENTION: "",
      PATH: "/bin",
    });
    expect(settings).toEqual({ LOCK_DURATION: "2m", JOB_RETENTION: "2h", MODULES_DIR: join(root, "mine") });
    expect(warnings).toEqual([]);
  });

  test("have the modules that the environment names", async () => {
    const { settings } = await readStackSettings(root, { MODULES_DIR: "elsewhere" });
    expect(settings).toEqual({ MODULES_DIR: resolve("elsewhere") });
  });

  test("leave the schedule, the lock and the servers to the stack if the sample is copied as it is", async () => {
    await copyFile(join(ROOT, "local.settings.sample.json"), join(root, "local.settings.json"));
    const { settings, warnings } = await readStackSettings(root, {});
    for (const name of ["RECONCILE_SCHEDULE", "LOCK_DURATION", "ServiceBus", "AzureWebJobsStorage"])
      expect(settings).not.toHaveProperty(name);
    expect(warnings).toEqual([]);
  });

  test("say which name no program reads", async () => {
    await write({ LOCKDURATION: "1m" });
    const { warnings } = await readStackSettings(root, { MODULE_DIR: "x" });
    expect(warnings).toEqual([
      `${join(root, "local.settings.json")}: LOCKDURATION: no program reads this setting; did you mean LOCK_DURATION?`,
      "MODULE_DIR: no program reads this variable; did you mean MODULES_DIR?",
    ]);
  });

  test("take a real bus by connection string, and one by identity beside a development string", async () => {
    await write({ ServiceBus: "Endpoint=sb://localhost;UseDevelopmentEmulator=true;" });
    const env = { ServiceBus__fullyQualifiedNamespace: "acme.servicebus.windows.net", AZURE_CLIENT_ID: "me" };
    expect((await readStackSettings(root, env)).settings).toEqual(env);
    expect((await readStackSettings(root, { ServiceBus: REAL_BUS })).settings).toEqual({ ServiceBus: REAL_BUS });
  });

  test("have nothing of Azure, no proxy and no other cluster if all servers are local", async () => {
    const env = {
      KUBECONFIG: "/home/me/.kube/prod",
      AZURE_CLIENT_SECRET: "secret",
      HTTPS_PROXY: "http://proxy:1",
      AzureFunctionsJobHost__extensions__serviceBus__transportType: "AmqpWebSockets",
    };
    expect((await readStackSettings(root, env)).settings).toEqual({});
    expect((await readStackSettings(root, { ...env, ServiceBus: REAL_BUS })).settings).toEqual({
      ...env,
      ServiceBus: REAL_BUS,
      NO_PROXY: "127.0.0.1",
      KUBECONFIG: undefined,
    });
  });
});
