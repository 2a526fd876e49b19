import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LogLine } from "./app-log.ts";
import { denyJobsOf } from "./deny-jobs.ts";
import { type DispatcherUnderTest, startDispatcher } from "./dispatcher-under-test.ts";
import { restricted, sh } from "./module-files.ts";

const DONE = sh("echo done");
const ONCE = { maxAttempts: 1 };

function template(pod: object, container: object = restricted("main", "echo done")) {
  return { spec: { template: { spec: { containers: [container], ...pod } } } };
}

function fromRef(kind: "secretKeyRef" | "configMapKeyRef", name: string, key: string) {
  return { ...DONE, env: { WANTED: { valueFrom: { [kind]: { name, key } } } } };
}

function withoutUser() {
  const { securityContext, ...container } = restricted("main", "echo done");
  const { runAsUser: _, ...context } = securityContext;
  return { ...container, securityContext: context };
}

interface NeverRan {
  readonly name: string;
  readonly module: object;
  readonly says: RegExp;
}

const NEVER_RAN: readonly NeverRan[] = [
  {
    name: "an image that is missing",
    module: { worker: { ...DONE, image: "registry.invalid/missing:1" } },
    says: /^worker can't start \((ErrImagePull|ImagePullBackOff)\): .*registry\.invalid\/missing:1/,
  },
  {
    name: "an image whose name is none",
    module: { worker: { ...DONE, image: "UPPER/bad::name" } },
    says: /^worker can't start \(InvalidImageName\): .*UPPER\/bad::name/,
  },
  {
    name: "a command that isn't in the image",
    module: { worker: { image: "busybox:1.36", command: ["/no/such/program"] } },
    says: /^worker could not be started \(StartError\): .*\/no\/such\/program/,
  },
  {
    name: "a Secret that is missing",
    module: { worker: fromRef("secretKeyRef", "no-such-secret", "password") },
    says: /^worker can't start \(CreateContainerConfigError\): secret "no-such-secret" not found$/,
  },
  {
    name: "a key that its ConfigMap doesn't have",
    module: { worker: fromRef("configMapKeyRef", "kube-root-ca.crt", "no-such-key") },
    says: /^worker can't start \(CreateContainerConfigError\): couldn't find key no-such-key in ConfigMap /,
  },
  {
    name: "a node that there isn't",
    module: {
      startTimeout: "5s",
      // A taint, such as that of another test's node, would be named in place of the selector.
      jobTemplate: template({
        nodeSelector: { "example.com/gpu": "yes" },
        tolerations: [{ operator: "Exists" }],
      }),
    },
    says: /^not started after \d+ s: Unschedulable: 0\/\d nodes are available: .*node affinity\/selector/,
  },
  {
    name: "an image that would run as root, which is forbidden",
    module: { jobTemplate: template({}, withoutUser()) },
    says: /^main can't start \(CreateContainerConfigError\): container has runAsNonRoot and image will run as root/,
  },
  {
    name: "a volume whose Secret is missing",
    module: {
      startTimeout: "5s",
      jobTemplate: template(
        { volumes: [{ name: "keys", secret: { secretName: "no-such-secret" } }] },
        { ...restricted("main", "echo done"), volumeMounts: [{ name: "keys", mountPath: "/keys" }] },
      ),
    },
    says: /^not started after \d+ s: MountVolume\.SetUp failed for volume "keys" : secret "no-such-secret" not found$/,
  },
  {
    name: "a sidecar whose image is missing",
    module: {
      jobTemplate: template({
        initContainers: [
          { ...restricted("proxy", "sleep 60"), image: "registry.invalid/missing:1", restartPolicy: "Always" },
        ],
      }),
    },
    says: /^proxy can't start \((ErrImagePull|ImagePullBackOff)\): .*registry\.invalid\/missing:1/,
  },
  {
    name: "a pod that breaks the namespace's Pod Security level",
    module: { startTimeout: "5s", worker: { ...DONE, securityContext: { runAsNonRoot: false, runAsUser: 0 } } },
    says: /^no pod after \d+ s: .*violates PodSecurity "restricted:latest": runAsNonRoot != true/,
  },
  {
    name: "a ServiceAccount that is missing",
    module: { startTimeout: "5s", jobTemplate: template({ serviceAccountName: "no-such-account" }) },
    says: /^no pod after \d+ s: .*serviceaccount "no-such-account" not found/,
  },
];

describe("a message whose Job never gets to run", () => {
  let app: DispatcherUnderTest;
  beforeAll(async () => {
    const modules = NEVER_RAN.map(({ module }, index) => [`case-${index}`, { retry: ONCE, ...module }]);
    app = await startDispatcher({
      modules: {
        ...Object.fromEntries(modules),
        denied: { worker: DONE },
        invalid: INVALID,
        vast: {
          retry: { maxAttempts: 1, maxInterruptions: 0 },
          startTimeout: "5s",
          worker: { ...DONE, resources: { requests: { cpu: "1000" } } },
        },
        allowed: { worker: DONE },
      },
    });
  });
  afterAll(() => app?.close());

  test.concurrent.for(NEVER_RAN)("is dead-lettered as JobNotStarted: $name", async ({ module, says }) => {
    const { run, letter, logs } = await (
      await app.send(`case-${NEVER_RAN.findIndex((one) => one.module === module)}`)
    ).end();
    const start = `Job ${run.jobName}, attempt 1 of 1: `;
    expect(letter?.reason).toBe("JobNotStarted");
    expect(letter?.description.slice(0, start.length)).toBe(start);
    expect(letter?.description.slice(start.length)).toMatch(says);
    expect(letter?.properties).toMatchObject({
      "dispatcher-reason": "JobNotStarted",
      "dispatcher-attempt": 1,
      "dispatcher-failures": 1,
      "dispatcher-interruptions": 0,
      "dispatcher-job": run.jobName,
      "dispatcher-last-error": letter?.description,
    });
    expect(logs).toEqual({});
  });

  test.concurrent("waits at no cost if no node has space for it, and says so", async () => {
    const sent = await app.send("vast");
    const jobName = await sent.job();
    const isHeldUp = (line: LogLine) => line.message === "a job can't start yet" && line["jobName"] === jobName;
    const { cause, why } = await app.log.until(isHeldUp);
    expect(cause).toBe("no-node");
    expect(why).toMatch(/^Unschedulable: 0\/\d nodes are available: .*Insufficient cpu/);
    expect(await sent.run()).toMatchObject({ status: "dispatched", attempt: 1, heldUpBy: "no-node" });
    await app.hands.label(jobName, { "ion/cancel": "true" });
    const { letter } = await sent.end();
    expect(letter?.properties).toMatchObject({ "dispatcher-failures": 0, "dispatcher-interruptions": 0 });
  });

  test.concurrent("is dead-lettered at once, with the server's words, if a policy denies its Job; others go on", async () => {
    await using _ = await denyJobsOf(app, "denied");
    const [denied, allowed] = [await app.send("denied"), await app.send("allowed")];
    const { run, letter } = await denied.end();
    expect(letter?.reason).toBe("JobNotStarted");
    expect(letter?.description).toMatch(
      /^no Job, attempt 1 of 5: jobs\.batch "denied-\S+" is forbidden: ValidatingAdmissionPolicy '\S+' with binding '\S+' denied request: no such work here$/,
    );
    expect(letter?.properties).toMatchObject({ "dispatcher-failures": 1, "dispatcher-interruptions": 0 });
    expect(run.jobName).toBeUndefined();
    expect((await allowed.end()).run).toMatchObject({ status: "succeeded", attempt: 1 });
  });

  test.concurrent("is dead-lettered at once, with the server's words, if its Job is invalid", async () => {
    const { letter } = await (await app.send("invalid")).end();
    expect(letter?.reason).toBe("JobNotStarted");
    expect(letter?.description).toMatch(
      /^no Job, attempt 1 of 5: Job\.batch "invalid-\S+" is invalid: spec\.template\.spec\.containers\[0\]\.volumeMounts\[0\]\.name: Not found: "nowhere"$/,
    );
  });
});

const INVALID = {
  jobTemplate: template(
    {},
    { ...restricted("main", "echo done"), volumeMounts: [{ name: "nowhere", mountPath: "/data" }] },
  ),
};
