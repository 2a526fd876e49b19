import { ApiException, type V1Container, type V1Volume } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { aJob, type LocalClusterUser, sh, startLocalCluster } from "../support/local-cluster.ts";

const NAMESPACE = "jobs";

let on: LocalClusterUser;
beforeAll(async () => {
  on = await startLocalCluster();
});
afterAll(() => on.close());

const createSecret = (name: string, stringData: Record<string, string>) =>
  on.core.createNamespacedSecret({ namespace: NAMESPACE, body: { metadata: { name }, stringData } });
const createConfigMap = (name: string, data: Record<string, string>) =>
  on.core.createNamespacedConfigMap({ namespace: NAMESPACE, body: { metadata: { name }, data } });

const reading = (volume: Omit<V1Volume, "name">) => ({
  containers: [
    sh('cd "$AT"; for file in *; do echo "$file: $(cat "$file")"; done', {
      volumeMounts: [{ name: "v", mountPath: "/config" }],
      env: [{ name: "AT", value: "/config" }],
    }),
  ],
  volumes: [{ name: "v", ...volume }],
});

describe("what is in a Secret or ConfigMap", () => {
  beforeAll(async () => {
    await createSecret("account", { user: "ada", password: "$(user)é" });
    await createConfigMap("limits", { most: "5", least: "1" });
  });

  test("reaches a container as variables, as it is", async () => {
    const container = sh('echo "$user|$L_most|$PASSWORD|$LEAST|$NONE|$SAID"', {
      envFrom: [{ secretRef: { name: "account" } }, { prefix: "L_", configMapRef: { name: "limits" } }],
      env: [
        { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "account", key: "password" } } },
        { name: "LEAST", valueFrom: { configMapKeyRef: { name: "limits", key: "least" } } },
        { name: "NONE", valueFrom: { secretKeyRef: { name: "account", key: "none", optional: true } } },
        { name: "SAID", value: "$(user)" },
      ],
    });
    expect(await on.output(aJob({ containers: [container] }))).toBe("ada|5|$(user)é|1||ada\n");
  });

  test.each([
    { of: "a Secret", volume: { secret: { secretName: "account" } }, holds: "password: $(user)é\nuser: ada\n" },
    {
      of: "one key of a ConfigMap, under another name",
      volume: { configMap: { name: "limits", items: [{ key: "most", path: "max" }] } },
      holds: "max: 5\n",
    },
    {
      of: "all keys of a ConfigMap whose list of keys is empty",
      volume: { configMap: { name: "limits", items: [] } },
      holds: "least: 1\nmost: 5\n",
    },
    {
      of: "both in one volume",
      volume: { projected: { sources: [{ secret: { name: "account" } }, { configMap: { name: "limits" } }] } },
      holds: "least: 1\nmost: 5\npassword: $(user)é\nuser: ada\n",
    },
  ])("reaches a container as files: $of", async ({ volume, holds }) => {
    expect(await on.output(aJob(reading(volume)))).toBe(holds);
  });

  test("is the API server's certificate in every namespace's kube-root-ca.crt", async () => {
    const said = await on.output(aJob(reading({ configMap: { name: "kube-root-ca.crt" } })));
    expect(said).toMatch(/^ca\.crt: -----BEGIN CERTIFICATE-----\n/);
  });
});

describe("a pod whose Secret or ConfigMap is missing", () => {
  const withVariable = (name: string): V1Container =>
    sh('echo "$V"', { env: [{ name: "V", valueFrom: { secretKeyRef: { name, key: "v" } } }] });

  test("runs once its container's Secret is there", async () => {
    const name = await on.create(aJob({ containers: [withVariable("late")] }));
    await vi.waitFor(async () => {
      const waiting = (await on.podOf(name))?.status?.containerStatuses?.[0]?.state?.waiting;
      expect(waiting).toEqual({ reason: "CreateContainerConfigError", message: 'secret "late" not found' });
    });
    await createSecret("late", { v: "here" });
    expect(await on.logOf(await on.podIn(name, "Succeeded"))).toBe("here\n");
  });

  test("runs once what its volume is made of is there", async () => {
    const name = await on.create(aJob(reading({ configMap: { name: "later" } })));
    await vi.waitFor(async () => {
      const { items } = await on.core.listNamespacedEvent({ namespace: NAMESPACE });
      const failed = items.find(({ reason, involvedObject }) =>
        Boolean(reason === "FailedMount" && involvedObject.name?.startsWith(`${name}-`)),
      );
      expect(failed?.message).toBe('MountVolume.SetUp failed for volume "v" : configmap "later" not found');
    });
    await createConfigMap("later", { key: "here" });
    expect(await on.logOf(await on.podIn(name, "Succeeded"))).toBe("key: here\n");
  });

  test("doesn't run any more once it was deleted", async () => {
    const name = await on.create(aJob({ containers: [withVariable("never")] }));
    await vi.waitFor(async () => expect(await on.podOf(name)).toBeDefined());
    await on.batch.deleteNamespacedJob({ name, namespace: NAMESPACE, propagationPolicy: "Background" });
    await vi.waitFor(async () => expect(await on.podOf(name)).toBeUndefined());
  });
});

describe("the API of Secrets and ConfigMaps", () => {
  const codeOf = async (asked: Promise<unknown>): Promise<number> => {
    const error: unknown = await asked.then(
      () => undefined,
      (failure: unknown) => failure,
    );
    return error instanceof ApiException ? error.code : 0;
  };

  test("creates, reads, lists and deletes", async () => {
    await createSecret("kept", { a: "b" });
    const secret = await on.core.readNamespacedSecret({ name: "kept", namespace: NAMESPACE });
    expect(secret).toMatchObject({ type: "Opaque", data: { a: Buffer.from("b").toString("base64") } });
    expect(secret).not.toHaveProperty("stringData");
    const list = await on.core.listNamespacedSecret({ namespace: NAMESPACE });
    expect(list.items.map(({ metadata }) => metadata?.name)).toContain("kept");
    await on.core.deleteNamespacedSecret({ name: "kept", namespace: NAMESPACE });
    expect(await codeOf(on.core.readNamespacedSecret({ name: "kept", namespace: NAMESPACE }))).toBe(404);
  });

  test("refuses a name that is taken or none, a key that could leave its volume, and a value that isn't text", async () => {
    await createConfigMap("taken", {});
    expect(await codeOf(createConfigMap("taken", {}))).toBe(409);
    expect(await codeOf(createConfigMap("Upper", {}))).toBe(422);
    expect(await codeOf(createConfigMap("climbs", { "../up": "" }))).toBe(422);
    const body = { metadata: { name: "number" }, data: { a: 1 } };
    const path = (namespace: string) => `/api/v1/namespaces/${namespace}/configmaps`;
    expect((await on.api.ask("POST", path(NAMESPACE), { body })).code).toBe(400);
    expect((await on.api.ask("POST", path("nowhere"), { body })).code).toBe(404);
  });
});
