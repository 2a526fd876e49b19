import type { V1Container, V1Job, V1JobTemplateSpec } from "@kubernetes/client-node";
import { describe, expect, it } from "vitest";
import { buildJob } from "../../../shared/jobs/job-spec.ts";
import { runningLimitMs } from "../../../shared/jobs/run-limits.ts";
import type { Module, Work } from "../../../shared/modules/module.ts";
import type { PeekedMessage } from "../../../shared/run/message.ts";
import type { Run } from "../../../shared/run/run.ts";
import { aMessage, aModule, aRun, T0 } from "./objects.ts";

function build(
  over: { module?: Partial<Module>; run?: Partial<Run>; message?: Partial<PeekedMessage>; bodyUrl?: string } = {},
): V1Job {
  return buildJob({
    instance: "blue",
    namespace: "jobs",
    module: aModule(over.module),
    run: aRun(over.run),
    message: aMessage(over.message),
    ...(over.bodyUrl === undefined ? {} : { bodyUrl: over.bodyUrl }),
  });
}

const podOf = (job: V1Job) => job.spec?.template.spec ?? { containers: [] };
const worker = (job: V1Job) => podOf(job).containers[0] ?? { name: "none" };
const allContainers = (job: V1Job) => [...(podOf(job).initContainers ?? []), ...podOf(job).containers];
const annotation = (job: V1Job, name: string) => job.spec?.template.metadata?.annotations?.[name];

/** What the container's env comes to, as a kubelet resolves it. */
function envOf(job: V1Job, container: V1Container): Record<string, string | undefined> {
  return Object.fromEntries(
    (container.env ?? []).map(({ name, value, valueFrom }) => {
      const path = /^metadata\.annotations\['(.+)'\]$/.exec(valueFrom?.fieldRef?.fieldPath ?? "");
      return [name, path?.[1] === undefined ? value : annotation(job, path[1])];
    }),
  );
}

const handlerWork: Work = {
  kind: "worker",
  worker: { image: "worker:1", args: ["$(DISPATCHER_MESSAGE_ID)"] },
  handler: { image: "handler:2", env: { MODE: "fast" } },
};

const templateWork = (template: V1JobTemplateSpec): Work => ({ kind: "jobTemplate", jobTemplate: template });

describe("the Job of an attempt", () => {
  it("is one pod, run once, ended by its own time-out and never retried by the cluster", () => {
    const { spec } = build({ module: { startTimeoutMs: 60_000, maxRunningTimeMs: 90_500 } });
    expect(spec).toMatchObject({ backoffLimit: 0, parallelism: 1, completions: 1 });
    expect(spec?.template.spec).toMatchObject({ restartPolicy: "Never", activeDeadlineSeconds: 91 });
    expect(spec).not.toHaveProperty("activeDeadlineSeconds");
  });

  it("has no TTL from the start, for the verdict would race it", () => {
    expect(build().spec).not.toHaveProperty("ttlSecondsAfterFinished");
  });

  it("asks whether the pod was disrupted before it asks for its exit code", () => {
    const rules = build({ module: { retry: { ...aModule().retry, permanentExitCodes: [65, 3, 64, 3] } } }).spec
      ?.podFailurePolicy?.rules;
    expect(rules).toEqual([
      { action: "FailJob", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
      { action: "FailJob", onExitCodes: { operator: "In", values: [3, 64, 65] } },
    ]);
  });

  it("has no rule for exit codes where none is permanent: an empty list is refused by the API server", () => {
    expect(build().spec?.podFailurePolicy?.rules).toHaveLength(1);
  });

  it("says on Job and pod alike whose it is, in labels that hold nothing of the sender's", () => {
    const job = build({ run: { attempt: 2 }, message: { messageId: "evil", subject: "evil", correlationId: "evil" } });
    const labels = {
      "app.kubernetes.io/managed-by": "dispatcher",
      "app.kubernetes.io/instance": "blue",
      "ion/module": "thumbnail",
      "ion/attempt": "2",
    };
    expect(job.metadata?.labels).toEqual(labels);
    expect(job.spec?.template.metadata?.labels).toEqual(labels);
    expect(job.metadata).toMatchObject({ namespace: "jobs" });
    expect(job.metadata?.annotations).toEqual({
      "ion/run-id": `thumbnails:42:${T0}`,
      "ion/source": '{"queue":"thumbnails"}',
      "ion/sequence-number": "42",
      "ion/enqueued-ms": String(T0),
    });
  });
});

/** A sender's text, to be found again wherever it went. */
const marked = (text: string) => `SENDER-${text}-$(PATH)-\`id\`-\0-\ud800-日本`;

describe("the message in the pod", () => {
  it("is the worker contract, every variable of it", () => {
    const job = build({
      module: { publishes: ["image.resized", "image.failed"] },
      run: { attempt: 3, traceparent: "00-aa-bb-01" },
      message: { correlationId: "c-1" },
    });
    expect(envOf(job, worker(job))).toEqual({
      DISPATCHER_RUN_ID: `thumbnails:42:${T0}`,
      DISPATCHER_MODULE: "thumbnail",
      DISPATCHER_ATTEMPT: "3",
      DISPATCHER_MESSAGE_ID: "m-1",
      DISPATCHER_CORRELATION_ID: "c-1",
      TRACEPARENT: "00-aa-bb-01",
      DISPATCHER_MESSAGE_FILE: "/dispatcher/message",
      DISPATCHER_MESSAGE_ENCODING: "utf-8",
      DISPATCHER_PROPERTIES_FILE: "/dispatcher/properties.json",
      DISPATCHER_PUBLISHES: "image.resized,image.failed",
    });
    expect(annotation(job, "ion/message")).toBe('{"path":"a.png"}');
    expect(JSON.parse(annotation(job, "ion/properties") ?? "")).toMatchObject({ messageId: "m-1" });
    expect(podOf(job).volumes).toContainEqual({
      name: "dispatcher-message",
      downwardAPI: {
        items: [
          { path: "message", fieldRef: { fieldPath: "metadata.annotations['ion/message']" } },
          { path: "properties.json", fieldRef: { fieldPath: "metadata.annotations['ion/properties']" } },
        ],
      },
    });
    expect(worker(job).volumeMounts).toContainEqual({
      name: "dispatcher-message",
      mountPath: "/dispatcher",
      readOnly: true,
    });
  });

  it("is empty, never undefined, where an id is missing: $(NAME) of an unknown name would stay as it is", () => {
    const { messageId: _, ...message } = aMessage();
    const job = buildJob({
      instance: "blue",
      namespace: "jobs",
      module: aModule(),
      run: aRun({ messageId: "" }),
      message,
    });
    expect(envOf(job, worker(job))).toMatchObject({
      DISPATCHER_MESSAGE_ID: "",
      DISPATCHER_CORRELATION_ID: "",
      TRACEPARENT: "",
      DISPATCHER_PUBLISHES: "",
    });
  });

  it("is base64 where it is binary, and says so", () => {
    const job = build({ message: { body: Uint8Array.of(0, 255, 1) } });
    expect(envOf(job, worker(job))).toMatchObject({ DISPATCHER_MESSAGE_ENCODING: "base64" });
    expect(annotation(job, "ion/message")).toBe("AP8B");
  });

  it("is fetched where it is large: a URL instead of the file, the properties as ever", () => {
    const bodyUrl = "https://acct.blob.core.windows.net/bodies/1?sig=secret";
    const job = build({ bodyUrl, message: { body: Buffer.alloc(200_000, "x") } });
    const env = envOf(job, worker(job));
    expect(env).toMatchObject({
      DISPATCHER_MESSAGE_URL: bodyUrl,
      DISPATCHER_PROPERTIES_FILE: "/dispatcher/properties.json",
    });
    expect(env).not.toHaveProperty("DISPATCHER_MESSAGE_FILE");
    expect(env).not.toHaveProperty("DISPATCHER_MESSAGE_ENCODING");
    expect(annotation(job, "ion/message")).toBeUndefined();
    expect(JSON.stringify(podOf(job).volumes)).not.toContain("ion/message'");
    expect(JSON.stringify(job).length).toBeLessThan(10_000);
    expect(JSON.stringify(job.metadata)).not.toContain("sig=");
  });

  it.each([
    { name: "a worker", work: aModule().work },
    { name: "a handler around it", work: handlerWork },
    {
      name: "a whole template",
      work: templateWork({ spec: { template: { spec: { containers: [{ name: "a", image: "a:1" }] } } } }),
    },
  ])("stands in annotations of the pod and nowhere else, for $name", ({ work }) => {
    const job = build({
      module: { work },
      run: { messageId: marked("id"), subject: marked("subject"), traceparent: marked("trace") },
      message: {
        messageId: marked("id"),
        subject: marked("subject"),
        correlationId: marked("correlation"),
        contentType: marked("type"),
        body: Buffer.from("SENDER-body $(PATH)"),
        properties: { [marked("key")]: marked("value") },
      },
    });
    expect(JSON.stringify(job.spec?.template.metadata?.annotations)).toContain("SENDER-");
    delete job.spec?.template.metadata?.annotations;
    expect(JSON.stringify(job)).not.toContain("SENDER-");
  });

  it("keeps NUL out of env, where it would keep the container from starting", () => {
    const job = build({ message: { messageId: "a\0b", correlationId: "\0" } });
    for (const value of Object.values(envOf(job, worker(job)))) expect(value).not.toContain("\0");
    expect(JSON.parse(annotation(job, "ion/properties") ?? "")).toMatchObject({
      messageId: "a\0b",
      correlationId: "\0",
    });
  });

  it("leaves room under the cluster's limit on annotations, whatever the sender wrote", () => {
    const worst = "\u0001".repeat(60_000);
    const job = build({
      bodyUrl: `https://acct.blob.core.windows.net/${"x".repeat(2_000)}`,
      message: { messageId: worst, correlationId: worst, properties: { [worst]: worst } },
    });
    const annotations = Object.entries(job.spec?.template.metadata?.annotations ?? {});
    const bytes = annotations.reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(value), 0);
    expect(bytes).toBeLessThan(200 * 1024);
  });
});

describe("a worker", () => {
  it("is one container called worker, restricted, with /tmp to write to", () => {
    const job = build();
    expect(podOf(job).containers.map(({ name, image }) => ({ name, image }))).toEqual([
      { name: "worker", image: "ghcr.io/acme/thumbnail:1.4" },
    ]);
    expect(podOf(job)).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
    expect(worker(job)).toMatchObject({
      terminationMessagePolicy: "FallbackToLogsOnError",
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 65_532,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ["ALL"] },
        readOnlyRootFilesystem: true,
        seccompProfile: { type: "RuntimeDefault" },
      },
    });
    expect(worker(job).volumeMounts).toContainEqual({ name: "tmp", mountPath: "/tmp" });
    expect(podOf(job).volumes).toContainEqual({ name: "tmp", emptyDir: {} });
  });

  it.each([
    { name: "a worker", work: aModule().work },
    { name: "a handler around it", work: handlerWork },
  ])("has the identity of the account that the module names, and else none: $name", ({ work }) => {
    const template = (over: Partial<Module>) => build({ module: over }).spec?.template;
    const USE = "azure.workload.identity/use";
    if (work.kind !== "worker") throw new Error("it is no worker");
    const named = template({ work: { ...work, serviceAccountName: "dispatcher-job" } });
    expect(named?.spec).toMatchObject({ serviceAccountName: "dispatcher-job", automountServiceAccountToken: false });
    expect(named?.metadata?.labels).toMatchObject({ [USE]: "true", "ion/module": "thumbnail" });
    const unnamed = template({ work });
    expect(unnamed?.spec).not.toHaveProperty("serviceAccountName");
    expect(unnamed?.metadata?.labels).not.toHaveProperty(USE);
  });

  it("takes over what the module file says", () => {
    const secret = { valueFrom: { secretKeyRef: { name: "s", key: "k" } } };
    const job = build({
      module: {
        work: {
          kind: "worker",
          worker: {
            image: "i:1",
            command: ["run"],
            args: ["--id", "$(DISPATCHER_MESSAGE_ID)"],
            env: { LEVEL: "info", PASSWORD: secret },
            resources: { limits: { memory: "1Gi" } },
            securityContext: { runAsUser: 1000, readOnlyRootFilesystem: false },
          },
          handler: undefined,
        },
      },
    });
    expect(worker(job)).toMatchObject({
      command: ["run"],
      args: ["--id", "$(DISPATCHER_MESSAGE_ID)"],
      resources: { limits: { memory: "1Gi" } },
      securityContext: { runAsUser: 1000, readOnlyRootFilesystem: false, runAsNonRoot: true },
    });
    // Last, so that its values may use $(DISPATCHER_...).
    expect(worker(job).env?.slice(-2)).toEqual([
      { name: "LEVEL", value: "info" },
      { name: "PASSWORD", ...secret },
    ]);
  });
});

describe("a handler", () => {
  const job = build({ module: { work: handlerWork, publishes: ["x.y"] } });

  it("prepares before and commits after the worker, over one shared volume", () => {
    expect(podOf(job).initContainers?.map(({ name, image }) => `${name} ${image}`)).toEqual([
      "prepare handler:2",
      "worker worker:1",
    ]);
    expect(podOf(job).containers.map(({ name, image }) => `${name} ${image}`)).toEqual(["commit handler:2"]);
    expect(podOf(job).volumes).toContainEqual({ name: "shared", emptyDir: {} });
    for (const container of allContainers(job))
      expect(container.volumeMounts).toContainEqual({ name: "shared", mountPath: "/ion" });
  });

  it("tells each container its phase, and all of them the message", () => {
    const [prepare, work, commit] = allContainers(job).map((container) => envOf(job, container));
    expect(prepare).toMatchObject({ DISPATCHER_PHASE: "prepare", DISPATCHER_SHARED_DIR: "/ion", MODE: "fast" });
    expect(commit).toMatchObject({ DISPATCHER_PHASE: "commit", DISPATCHER_PUBLISHES: "x.y", MODE: "fast" });
    expect(work).toMatchObject({ DISPATCHER_SHARED_DIR: "/ion" });
    expect(work).not.toHaveProperty("DISPATCHER_PHASE");
    for (const env of [prepare, work, commit])
      expect(env).toMatchObject({ DISPATCHER_MESSAGE_FILE: "/dispatcher/message" });
  });
});

describe("a jobTemplate", () => {
  const template: V1JobTemplateSpec = {
    metadata: { labels: { "kueue.x-k8s.io/queue-name": "q", team: "a" }, annotations: { note: "n" } },
    spec: {
      suspend: true,
      template: {
        metadata: { labels: { "azure.workload.identity/use": "true" }, annotations: { sidecar: "no" } },
        spec: {
          serviceAccountName: "worker",
          automountServiceAccountToken: true,
          terminationGracePeriodSeconds: 300,
          initContainers: [{ name: "proxy", image: "p:1", restartPolicy: "Always" }],
          containers: [
            {
              name: "main",
              image: "m:1",
              env: [{ name: "A", value: "$(DISPATCHER_MESSAGE_ID)" }],
              volumeMounts: [{ name: "data", mountPath: "/data" }],
              terminationMessagePolicy: "File",
            },
            { name: "side", image: "s:1" },
          ],
          volumes: [{ name: "data", emptyDir: {} }],
        },
      },
    },
  };
  const job = build({ module: { work: templateWork(template) } });

  it("keeps its node from being taken away to save it, unless it says otherwise", () => {
    const own = { "cluster-autoscaler.kubernetes.io/safe-to-evict": "true", "karpenter.sh/do-not-disrupt": "false" };
    const movable = structuredClone(template);
    Object.assign(movable.spec?.template.metadata ?? {}, { annotations: own });
    for (const unsaid of [job, build({})])
      expect(unsaid.spec?.template.metadata?.annotations).toMatchObject({
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        "karpenter.sh/do-not-disrupt": "true",
      });
    expect(build({ module: { work: templateWork(movable) } }).spec?.template.metadata?.annotations).toMatchObject(own);
  });

  it("is taken whole", () => {
    expect(job.metadata?.labels).toMatchObject({
      "kueue.x-k8s.io/queue-name": "q",
      team: "a",
      "ion/module": "thumbnail",
    });
    expect(job.metadata?.annotations).toMatchObject({ note: "n", "ion/sequence-number": "42" });
    expect(job.spec?.suspend).toBe(true);
    expect(job.spec?.template.metadata?.labels).toMatchObject({ "azure.workload.identity/use": "true" });
    expect(job.spec?.template.metadata?.annotations).toMatchObject({ sidecar: "no", "ion/message-id": "m-1" });
    expect(podOf(job)).toMatchObject({
      serviceAccountName: "worker",
      automountServiceAccountToken: true,
      enableServiceLinks: false,
      restartPolicy: "Never",
      terminationGracePeriodSeconds: 300,
    });
  });

  it("gets the message into every container, beside what is there", () => {
    expect(allContainers(job).map(({ name }) => name)).toEqual(["proxy", "main", "side"]);
    for (const container of allContainers(job)) {
      expect(envOf(job, container)).toMatchObject({ DISPATCHER_MESSAGE_FILE: "/dispatcher/message" });
      expect(container.volumeMounts).toContainEqual({
        name: "dispatcher-message",
        mountPath: "/dispatcher",
        readOnly: true,
      });
    }
    const main = podOf(job).containers[0];
    expect(main?.env?.at(-1)).toEqual({ name: "A", value: "$(DISPATCHER_MESSAGE_ID)" });
    expect(main?.volumeMounts).toContainEqual({ name: "data", mountPath: "/data" });
    expect(main?.terminationMessagePolicy).toBe("File");
    expect(podOf(job).containers[1]?.terminationMessagePolicy).toBe("FallbackToLogsOnError");
    expect(podOf(job).volumes?.map(({ name }) => name)).toEqual(["data", "dispatcher-message"]);
  });

  it("has no security context put into it", () => {
    expect(podOf(job).containers[0]).not.toHaveProperty("securityContext");
  });

  it("has its own grace period in the time after which its Job is overdue", () => {
    expect(runningLimitMs(podOf(job))).toBe((600 + 300 + 60) * 1000);
  });

  it("is never changed itself: one module makes many Jobs", () => {
    const before = structuredClone(template);
    build({ module: { work: templateWork(template) } });
    expect(template).toEqual(before);
  });
});
