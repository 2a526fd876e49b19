import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import {
  AdmissionregistrationV1Api,
  BatchV1Api,
  CoreV1Api,
  KubeConfig,
  PatchStrategy,
  RbacAuthorizationV1Api,
  setHeaderOptions,
} from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { neededEnvironment } from "../../local/stack/own-environment.ts";
import { makeAccount } from "../../real-cluster/service-account.ts";
import { RIGHTS } from "../../shared/ports/rights.ts";
import { buildJob } from "../contract/job-harness.ts";
import type { LogLine } from "./app-log.ts";
import { type DispatcherUnderTest, startDispatcher } from "./dispatcher-under-test.ts";
import { restricted, sh } from "./module-files.ts";
import { makeNamespace, type TestNamespace } from "./namespace.ts";
import { AT_ONCE, outcomeOf } from "./outcome.ts";
import { letGo, runningPod, UNTIL_LET_GO } from "./pods.ts";

const ONCE = { maxAttempts: 1 };
/** How long a pod is missing until the app looks into it, which is when the pods' webhook is asked. */
const LOOKED_INTO_MS = 35_000;

let app: DispatcherUnderTest;
let home: TestNamespace;

beforeAll(async () => {
  const quick = { retry: ONCE, worker: sh("echo done") };
  const admin = new KubeConfig();
  admin.loadFromFile(inject("kubeconfig"));
  home = await makeNamespace(admin, `home-${randomUUID().slice(0, 8)}`);
  app = await startDispatcher({
    modules: {
      quick,
      long: {
        retry: { maxAttempts: 1, backoff: { first: "1s", max: "1s" } },
        worker: sh(`[ "$DISPATCHER_ATTEMPT" = 1 ] || exit 0; ${UNTIL_LET_GO}`),
      },
      "hooked-jobs": quick,
      "hooked-pods": { ...quick, startTimeout: "5s" },
    },
    home: home.name,
  });
});
afterAll(async () => {
  await app?.close();
  await home?.remove();
});

/** Waits for two such lines, so that a tick has begun and ended within the outage. Resolves to the later one. */
async function heldUp(why: RegExp, since: number): Promise<void> {
  const isSuch = (line: LogLine) => line.message === "reconcile is held up" && why.test(String(line["why"]));
  const first = await app.log.until(isSuch, since);
  await app.log.until((line) => line !== first && isSuch(line), since);
}

describe.concurrent("a webhook that is down is an outage, whatever it was to judge:", () => {
  test("Jobs", async () => {
    await using hook = await webhookThatIsDown("jobs", "batch", "hooked-jobs");
    const sent = await app.send("hooked-jobs");
    const isLeft = (line: LogLine) =>
      line.message === "left a run to the next tick" && line["messageId"] === sent.messageId;
    const first = await app.log.until(isLeft);
    await app.log.until((line) => line !== first && isLeft(line));
    expect(first["why"]).toMatch(/failed calling webhook .* connect: connection refused/);
    // The other modules go on meanwhile.
    expect(await outcomeOf(await app.send("quick"))).toEqual(AT_ONCE);
    expect(await app.letters("hooked-jobs")).toBe(0);
    await hook.restore();
    expect(await outcomeOf(sent)).toEqual(AT_ONCE);
  });

  test("pods", async () => {
    await using hook = await webhookThatIsDown("pods", "", "hooked-pods");
    const sent = await app.send("hooked-pods");
    await sent.job();
    const since = Date.now();
    await app.log.until(
      ({ message }) => message === "reconciled" && Date.now() - since > LOOKED_INTO_MS,
      app.log.position(),
    );
    expect(await sent.run()).toMatchObject({ status: "dispatched", attempt: 1 });
    expect(await app.letters("hooked-pods")).toBe(0);
    await hook.restore();
    expect(await outcomeOf(sent)).toEqual(AT_ONCE);
  });
});

test("rights that are taken away hold everything up, and nothing is settled until they are back", async () => {
  const atWork = await app.send("long");
  const podName = await runningPod(app, await atWork.job());
  const since = app.log.position();
  await app.account.grant([]);
  await heldUp(
    /It answered 403 Forbidden: .* cannot list resource .* The Dispatcher lacks this right\. Add it to the Role in namespace \S+, which needs jobs \(create, /,
    since,
  );
  const during = await app.send("quick");
  await app.log.until(
    (line) => line.message === "left a deferred message to the timer" && line["messageId"] === during.messageId,
  );
  await letGo(app, podName);
  await heldUp(/lacks this right/, app.log.position());
  expect(await atWork.run()).toMatchObject({ status: "dispatched", attempt: 1 });
  expect([await app.letters("long"), await app.letters("quick")]).toEqual([0, 0]);
  await app.account.grant(RIGHTS);
  expect(await outcomeOf(atWork)).toEqual(AT_ONCE);
  expect(await outcomeOf(during)).toEqual(AT_ONCE);
});

test("a namespace that is deleted holds everything up, and what ran there is started again once a person accepts the new one", async () => {
  const core = app.admin.makeApiClient(CoreV1Api);
  const name = app.namespace;
  const atWork = await app.send("long");
  await runningPod(app, await atWork.job());
  // The rights are held back, so that the namespace stays in deletion for a while, and the Dispatcher still sees it.
  await holdBack("add");
  const since = app.log.position();
  await core.deleteNamespace({ name });
  await isRefused("because it is being terminated");
  const during = await app.send("quick");
  const isLeft = (line: LogLine) => line.message.startsWith("left a") && line["messageId"] === during.messageId;
  expect((await app.log.until(isLeft, since))["why"]).toMatch(
    /because it is being terminated.*\. Namespace \S+ is being deleted\./,
  );
  await holdBack("remove");
  await heldUp(/lacks this right/, since);
  await vi.waitFor(() => expect(core.readNamespace({ name })).rejects.toThrow("not found"), {
    timeout: 90_000,
    interval: 200,
  });
  await heldUp(/lacks this right/, app.log.position());
  expect([await app.letters("long"), await app.letters("quick")]).toEqual([0, 0]);

  await makeNamespace(app.admin, name);
  await makeAccount(app.admin, name, RIGHTS, home.name);
  // If a tick saw the Job go before the namespace was gone, no Job is at work, and the new one is taken by itself.
  await app.log.until(({ message }: LogLine) => message.startsWith("saw another cluster"), app.log.position());
  const env = { ...neededEnvironment(process.env), ...app.settings };
  const repair = await promisify(execFile)(process.execPath, ["dist/cli/main.js", "repair", "--accept-cluster"], {
    env,
  });
  expect(repair.stdout).toMatch(/^done: \S+: its namespace is recorded, and [01] absent Jobs count as deleted/);
  expect(await outcomeOf(during)).toEqual(AT_ONCE);
  expect(await outcomeOf(atWork)).toEqual({ ...AT_ONCE, attempt: 2, interruptions: 1 });
});

/** Resolves once the API server refuses a Job, or a pod, with these words. */
async function isRefused(words: string, resource: "jobs" | "pods" = "jobs"): Promise<void> {
  const metadata = { name: "trial", labels: { "ion/module": `hooked-${resource}` } };
  const of = { namespace: app.namespace, dryRun: "All" };
  const batch = app.admin.makeApiClient(BatchV1Api);
  const core = app.admin.makeApiClient(CoreV1Api);
  const trial = async () => {
    if (resource === "jobs")
      await batch.createNamespacedJob({ ...of, body: { ...buildJob("nobody", "", {}), metadata } });
    else
      await core.createNamespacedPod({
        ...of,
        body: { metadata, spec: { containers: [restricted("main", "exit 0")] } },
      });
  };
  await vi.waitFor(() => expect(trial()).rejects.toThrow(words), { timeout: 60_000, interval: 100 });
}

/** Registers a webhook at an address where nobody listens. It judges the objects of a module in the app's namespace. */
async function webhookThatIsDown(resource: "jobs" | "pods", group: string, module: string) {
  const admission = app.admin.makeApiClient(AdmissionregistrationV1Api);
  const name = `${resource}.${app.namespace}.test`;
  await admission.createValidatingWebhookConfiguration({
    body: {
      metadata: { name },
      webhooks: [
        {
          name,
          admissionReviewVersions: ["v1"],
          sideEffects: "None",
          failurePolicy: "Fail",
          clientConfig: { url: "https://127.0.0.1:1/" },
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": app.namespace } },
          objectSelector: { matchLabels: { "ion/module": module } },
          rules: [{ apiGroups: [group], apiVersions: ["v1"], operations: ["CREATE"], resources: [resource] }],
        },
      ],
    },
  });
  const restore = async () => {
    await admission.deleteValidatingWebhookConfiguration({ name }).catch(() => {});
  };
  await isRefused("failed calling webhook", resource);
  return { restore, [Symbol.asyncDispose]: restore };
}

/** Keeps the Dispatcher's rights from being deleted, or lets them go. */
async function holdBack(what: "add" | "remove"): Promise<void> {
  const rbac = app.admin.makeApiClient(RbacAuthorizationV1Api);
  const body = { metadata: { finalizers: what === "add" ? ["dispatcher-test/held-back"] : null } };
  const of = { name: "dispatcher", namespace: app.namespace, body };
  const mergePatch = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);
  // The binding goes last, because without it the Role grants nothing.
  await rbac.patchNamespacedRole(of, mergePatch);
  await rbac.patchNamespacedRoleBinding(of, mergePatch);
}
