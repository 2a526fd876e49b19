import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BatchV1Api,
  CoreV1Api,
  KubeConfig,
  type V1Container,
  type V1Job,
  type V1Pod,
  type V1PodSpec,
} from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type LocalCluster, startCluster } from "../../local/cluster/start-cluster.ts";
import { type ClusterApi, clusterApi } from "../support/cluster-api.ts";
import { isAlive } from "../support/is-alive.ts";

const directory = mkdtempSync(join(tmpdir(), "dispatcher-cluster-"));
const JOBS = "/apis/batch/v1/namespaces/jobs/jobs";
/** How a command in a spec says the shell's `$$`, its process id: one `$` of two is an escape there. */
const PID = "$$$$";
const PODS = "/api/v1/namespaces/jobs/pods";
let local: LocalCluster;
let api: ClusterApi;
let batch: BatchV1Api;
let core: CoreV1Api;

beforeAll(async () => {
  local = await startCluster({ directory, namespace: "jobs" });
  api = clusterApi(local);
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(local.kubeconfigPath);
  batch = kubeConfig.makeApiClient(BatchV1Api);
  core = kubeConfig.makeApiClient(CoreV1Api);
});
afterAll(async () => {
  api.close();
  await local.close();
  rmSync(directory, { recursive: true, force: true });
});

let count = 0;
function aName(): string {
  count += 1;
  return `job-${count}`;
}

function sh(command: string, over: Partial<V1Container> = {}): V1Container {
  return { name: "main", image: "busybox", command: ["sh", "-c", command], ...over };
}

function aJob(
  pod: Partial<V1PodSpec>,
  over: { annotations?: Record<string, string>; spec?: object; name?: string } = {},
): V1Job {
  const { annotations = {}, spec = {}, name = aName() } = over;
  const podSpec = { restartPolicy: "Never", terminationGracePeriodSeconds: 1, containers: [sh("exit 0")], ...pod };
  return {
    metadata: { name },
    spec: { backoffLimit: 0, template: { metadata: { annotations }, spec: podSpec }, ...spec },
  };
}

async function create(job: V1Job): Promise<string> {
  await batch.createNamespacedJob({ namespace: "jobs", body: job });
  return job.metadata?.name ?? "";
}

async function podOf(name: string): Promise<V1Pod | undefined> {
  return (await core.listNamespacedPod({ namespace: "jobs", labelSelector: `job-name=${name}` })).items[0];
}

/** Resolves to the Job's pod once it is in this phase. */
function podIn(name: string, phase: string): Promise<V1Pod> {
  return vi.waitFor(
    async () => {
      const pod = await podOf(name);
      expect(pod?.status?.phase).toBe(phase);
      return pod ?? {};
    },
    { timeout: 10_000, interval: 25 },
  );
}

async function logOf(pod: V1Pod, container = "main"): Promise<string> {
  return (await api.ask("GET", `${PODS}/${pod.metadata?.name}/log?container=${container}`)).text;
}

/** What the one container of a Job says, once it has ended well. */
async function output(job: V1Job): Promise<string> {
  return logOf(await podIn(await create(job), "Succeeded"));
}

describe("who may ask", () => {
  test.each([{}, { authorization: "Bearer wrong" }, { authorization: `Basic ${"x".repeat(43)}` }])(
    "answers 401 to %o",
    async (headers) => {
      const answer = await api.ask("GET", JOBS, { headers: { authorization: "", ...headers } });
      expect(answer).toMatchObject({
        code: 401,
        json: { kind: "Status", status: "Failure", reason: "Unauthorized", code: 401 },
      });
    },
  );

  test.each(["example.com", `example.com:80`, "127.0.0.1.example.com"])(
    "answers 403 to the host name %s, token or not",
    async (host) => {
      expect(await api.ask("GET", JOBS, { headers: { host } })).toMatchObject({
        code: 403,
        json: { reason: "Forbidden" },
      });
    },
  );

  test("keeps its kubeconfig from other users", () => {
    expect(statSync(local.kubeconfigPath).mode & 0o777).toBe(0o600);
  });
});

describe("what a process gets", () => {
  test("has its own variables and PATH, and nothing else", async () => {
    const said = await output(aJob({ containers: [sh("env", { env: [{ name: "MINE", value: "1" }] })] }));
    const names = said.split("\n").map((line) => line.split("=")[0]);
    // The shell itself sets the last three.
    expect(names.filter((name) => name !== "" && !["PWD", "SHLVL", "_"].includes(name ?? "")).toSorted()).toEqual([
      "MINE",
      "PATH",
    ]);
  });

  test("finds $(NAME) expanded in variables and arguments, as a kubelet does it", async () => {
    const env = [
      { name: "A", value: "a" },
      { name: "B", value: "$(A)$(LATER)$$(A)$(" },
      { name: "LATER", value: "later" },
    ];
    const container = sh(`printf '%s\\n' "$B" "$@"`, {
      env,
      args: ["--", "$(B)", "$(LATER)", "$(UNKNOWN)", "$$(A)", "$A $"],
    });
    const lines = (await output(aJob({ containers: [container] }))).split("\n");
    expect(lines).toEqual(["a$(LATER)$(A)$(", "a$(LATER)$(A)$(", "later", "$(UNKNOWN)", "$(A)", "$A $", ""]);
  });

  test("finds annotations in downward API files, byte for byte", async () => {
    const body = 'line\n"quoted" $(A) $$ \\ é \u{1F600}';
    const job = aJob(
      {
        containers: [
          sh('cat "$FILE"', {
            env: [{ name: "FILE", value: "/message/in/body" }],
            volumeMounts: [{ name: "message", mountPath: "/message" }],
          }),
        ],
        volumes: [
          {
            name: "message",
            downwardAPI: { items: [{ path: "in/body", fieldRef: { fieldPath: "metadata.annotations['ion/body']" } }] },
          },
        ],
      },
      { annotations: { "ion/body": body } },
    );
    expect(await output(job)).toBe(body);
  });

  test("gets fields of its pod as variables, and never takes one for a path", async () => {
    const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
    const job = aJob(
      {
        containers: [
          sh('echo "$ID|$NAME|$JOB|$NONE"', {
            env: [
              field("ID", "metadata.annotations['id']"),
              field("NAME", "metadata.name"),
              field("JOB", "metadata.labels['job-name']"),
              field("NONE", "metadata.annotations['none']"),
            ],
            volumeMounts: [{ name: "tmp", mountPath: "/tmp" }],
          }),
        ],
        volumes: [{ name: "tmp", emptyDir: {} }],
      },
      { annotations: { id: "/tmp/$(NAME)" } },
    );
    const name = await create(job);
    const pod = await podIn(name, "Succeeded");
    expect(await logOf(pod)).toBe(`/tmp/$(NAME)|${pod.metadata?.name}|${name}|\n`);
  });

  test("finds what an earlier container left in a shared volume, by variable and by argument", async () => {
    const mount = { volumeMounts: [{ name: "shared", mountPath: "/ion" }], env: [{ name: "DIR", value: "/ion" }] };
    const job = aJob({
      initContainers: [
        sh('echo first > "$DIR/log"', { name: "first", ...mount }),
        sh('echo second >> "$DIR/log"', { name: "second", ...mount }),
      ],
      containers: [sh('cat "$0"', { ...mount, args: ["/ion/log"] })],
      volumes: [{ name: "shared", emptyDir: {} }],
    });
    expect(await output(job)).toBe("first\nsecond\n");
  });

  test("starts in a directory of its own, or in the one asked for", async () => {
    const pwd = await output(aJob({ containers: [sh("pwd; ls")] }));
    expect(pwd).toMatch(/\/containers\/main\n$/);
    expect(await output(aJob({ containers: [sh("pwd", { workingDir: "/usr" })] }))).toBe("/usr\n");
  });
});

describe("how a pod runs", () => {
  test("runs nothing after an init container that failed", async () => {
    const name = await create(
      aJob({ initContainers: [sh("exit 7", { name: "prepare" })], containers: [sh("echo ran")] }),
    );
    const pod = await podIn(name, "Failed");
    expect(pod.status?.initContainerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 7, reason: "Error" });
    expect(pod.status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe("PodInitializing");
    expect((await api.ask("GET", `${PODS}/${pod.metadata?.name}/log?container=main`)).code).toBe(400);
  });

  test("keeps a sidecar beside the work, and ends it with the work, whatever it exits with", async () => {
    const mount = { volumeMounts: [{ name: "s", mountPath: "/s" }], env: [{ name: "S", value: "/s" }] };
    const sidecar = sh("trap 'echo bye; exit 9' TERM; touch \"$S/up\"; while :; do sleep 0.05; done", {
      name: "side",
      restartPolicy: "Always",
      ...mount,
    });
    const work = sh('until [ -e "$S/up" ]; do sleep 0.02; done; echo saw it', mount);
    const name = await create(
      aJob({ initContainers: [sidecar], containers: [work], volumes: [{ name: "s", emptyDir: {} }] }),
    );
    const pod = await podIn(name, "Succeeded");
    expect(await logOf(pod)).toBe("saw it\n");
    expect(await logOf(pod, "side")).toBe("bye\n");
  });

  test("ends what a container leaves running", async () => {
    const said = await output(aJob({ containers: [sh("sleep 300 & echo $!")] }));
    await vi.waitFor(() => expect(isAlive(Number(said))).toBe(false));
  });

  test("kills what doesn't heed SIGTERM, after the grace period", async () => {
    const command = `trap '' TERM; echo ${PID}; while :; do sleep 0.05; done`;
    const name = await create(aJob({ containers: [sh(command)], activeDeadlineSeconds: 1 }));
    const pod = await podIn(name, "Failed");
    expect(pod.status).toMatchObject({ reason: "DeadlineExceeded" });
    expect(pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(137);
    expect(isAlive(Number(await logOf(pod)))).toBe(false);
  });

  test.each([
    { what: "a signal as 128 and its number", command: `kill -9 ${PID}`, exitCode: 137, reason: "Error" },
    { what: "success", command: "exit 0", exitCode: 0, reason: "Completed" },
  ])("tells $what", async ({ command, exitCode, reason }) => {
    const name = await create(aJob({ containers: [sh(command)] }));
    const pod = await podIn(name, exitCode === 0 ? "Succeeded" : "Failed");
    expect(pod.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode, reason });
  });

  test("takes the termination message from its file, else the end of the log where that is asked for", async () => {
    const mount = { volumeMounts: [{ name: "s", mountPath: "/s" }], env: [{ name: "S", value: "/s" }] };
    const message = async (container: V1Container): Promise<string | undefined> => {
      const pod = await podIn(
        await create(aJob({ containers: [container], volumes: [{ name: "s", emptyDir: {} }] })),
        "Failed",
      );
      return pod.status?.containerStatuses?.[0]?.state?.terminated?.message;
    };
    const said = sh('echo said > "$S/why"; echo logged; exit 1', { ...mount, terminationMessagePath: "/s/why" });
    expect(await message(said)).toBe("said\n");
    expect(
      await message(sh("echo logged; exit 1", { ...mount, terminationMessagePolicy: "FallbackToLogsOnError" })),
    ).toBe("logged\n");
    expect(await message(sh("echo logged; exit 1", mount))).toBeUndefined();
  });

  test.each([
    { reason: "ErrImagePull", container: { name: "main", image: "ghcr.io/acme/app:1" }, says: /--kubeconfig/ },
    {
      reason: "InvalidImageName",
      container: sh("exit 0", { image: "UPPER/bad::name" }),
      says: /invalid reference format/,
    },
    {
      reason: "CreateContainerConfigError",
      container: sh("exit 0", { env: [{ name: "S", valueFrom: { secretKeyRef: { name: "gone", key: "k" } } }] }),
      says: /secret "gone" not found/,
    },
  ])("leaves a container that can't start waiting: $reason", async ({ reason, container, says }) => {
    const name = await create(aJob({ containers: [container] }));
    await vi.waitFor(async () => {
      const waiting = (await podOf(name))?.status?.containerStatuses?.[0]?.state?.waiting;
      expect(waiting?.reason).toBe(reason);
      expect(waiting?.message).toMatch(says);
    });
    const job = await batch.readNamespacedJob({ name, namespace: "jobs" });
    expect(job.status).toMatchObject({ active: 1, ready: 0 });
  });

  test("fails a command that isn't there as a container runtime does", async () => {
    const pod = await podIn(await create(aJob({ containers: [sh("", { command: ["no-such-program"] })] })), "Failed");
    const ended = pod.status?.containerStatuses?.[0]?.state?.terminated;
    expect(ended).toMatchObject({ exitCode: 128, reason: "StartError" });
    expect(ended?.message).toContain('exec: "no-such-program": executable file not found in $PATH');
  });
});

describe("how a Job goes", () => {
  test("gives a resumed Job its whole deadline again", async () => {
    const name = await create(aJob({ containers: [sh("sleep 60")] }, { spec: { activeDeadlineSeconds: 600 } }));
    await podIn(name, "Running");
    const suspend = (value: boolean) =>
      api.ask("PATCH", `${JOBS}/${name}`, {
        body: { spec: { suspend: value } },
        headers: { "content-type": "application/merge-patch+json" },
      });
    await suspend(true);
    await vi.waitFor(async () => {
      const { status } = await batch.readNamespacedJob({ name, namespace: "jobs" });
      expect(status?.startTime).toBeUndefined();
      expect(status?.conditions).toMatchObject([{ type: "Suspended", status: "True" }]);
    });
    await suspend(false);
    await podIn(name, "Running");
    const { status } = await batch.readNamespacedJob({ name, namespace: "jobs" });
    expect(status?.startTime).toBeInstanceOf(Date);
    expect(status?.failed).toBeUndefined();
    expect(status?.conditions).toMatchObject([{ type: "Suspended", status: "False" }]);
  });

  test("says FailureTarget while the pod of an ended Job still runs, and Failed only then", async () => {
    const seen: string[] = [];
    const name = await create(aJob({ containers: [sh("trap 'sleep 0.5; exit 1' TERM; echo up; sleep 60 & wait")] }));
    await vi.waitFor(async () => expect(await logOf(await podIn(name, "Running"))).toBe("up\n"));
    const watch = api.watch(`${JOBS}?watch=true&fieldSelector=metadata.name=${name}`);
    await api.ask("PATCH", `${JOBS}/${name}`, {
      body: { spec: { activeDeadlineSeconds: 1 } },
      headers: { "content-type": "application/merge-patch+json" },
    });
    while (!seen.includes("Failed")) {
      const { value } = await watch.events.next();
      const { object } = value as { object: V1Job };
      const types = (object.status?.conditions ?? []).map(({ type }) => type);
      seen.push(...types.filter((type) => !seen.includes(type)));
      if (types.includes("FailureTarget") && !types.includes("Failed")) expect(await podOf(name)).toBeDefined();
    }
    watch.close();
    expect(seen).toEqual(["FailureTarget", "Failed"]);
    expect(await podOf(name)).toBeUndefined();
  });

  test("tries again while the back-off limit allows it", async () => {
    const name = await create(aJob({ containers: [sh("exit 1")] }, { spec: { backoffLimit: 1 } }));
    await podIn(name, "Failed");
    const { status } = await batch.readNamespacedJob({ name, namespace: "jobs" });
    expect(status?.failed).toBe(1);
    expect(status?.conditions).toBeUndefined();
    await batch.deleteNamespacedJob({ name, namespace: "jobs", propagationPolicy: "Background" });
  });

  test("leaves the pod running where a delete says nothing about it", async () => {
    const name = await create(aJob({ containers: [sh("sleep 60")] }));
    const pod = await podIn(name, "Running");
    expect((await api.ask("DELETE", `${JOBS}/${name}`)).code).toBe(200);
    expect((await api.ask("GET", `${JOBS}/${name}`)).code).toBe(404);
    const orphan = await core.readNamespacedPod({ name: pod.metadata?.name ?? "", namespace: "jobs" });
    expect(orphan.status?.phase).toBe("Running");
    expect(orphan.metadata?.ownerReferences).toBeUndefined();
    await core.deleteNamespacedPod({ name: pod.metadata?.name ?? "", namespace: "jobs" });
  });

  test("takes the pod along where a delete says so", async () => {
    const name = await create(aJob({ containers: [sh(`echo ${PID}; exec sleep 60`)] }));
    const pid = Number(await logOf(await podIn(name, "Running")));
    await api.ask("DELETE", `${JOBS}/${name}?propagationPolicy=Background`);
    await vi.waitFor(async () => expect(await podOf(name)).toBeUndefined());
    expect(isAlive(pid)).toBe(false);
  });

  test("deletes nothing where the uid is another", async () => {
    const name = await create(aJob({}));
    const answer = await api.ask("DELETE", `${JOBS}/${name}`, { body: { preconditions: { uid: "other" } } });
    expect(answer).toMatchObject({ code: 409, json: { reason: "Conflict" } });
    expect((await api.ask("GET", `${JOBS}/${name}`)).code).toBe(200);
  });
});

describe("how it words its refusals", () => {
  test("says AlreadyExists as a cluster does", async () => {
    const job = aJob({});
    const name = await create(job);
    expect((await api.ask("POST", JOBS, { body: job })).json).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: `jobs.batch "${name}" already exists`,
      reason: "AlreadyExists",
      details: { name, group: "batch", kind: "jobs" },
      code: 409,
    });
  });

  test.each([
    {
      what: "no name",
      job: aJob({}, { name: "" }),
      says: "metadata.name: Required value: name or generateName is required",
    },
    {
      what: "a name that is too long",
      job: aJob({}, { name: "a".repeat(64) }),
      says: "must be no more than 63 characters",
    },
    { what: "a name in upper case", job: aJob({}, { name: "Upper" }), says: "a lowercase RFC 1123 subdomain" },
    {
      what: "no restart policy",
      job: aJob({ restartPolicy: "" }),
      says: 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    },
    { what: "restart policy Always", job: aJob({ restartPolicy: "Always" }), says: 'Unsupported value: "Always"' },
    { what: "no containers", job: aJob({ containers: [] }), says: "spec.template.spec.containers: Required value" },
    {
      what: "no image",
      job: aJob({ containers: [{ name: "main" }] }),
      says: "spec.template.spec.containers[0].image: Required value",
    },
    {
      what: "a mount of no volume",
      job: aJob({ containers: [sh("", { volumeMounts: [{ name: "v", mountPath: "/v" }] })] }),
      says: 'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "v"',
    },
    {
      what: "annotations of more than 256 KiB",
      job: aJob({}, { annotations: { big: "x".repeat(256 * 1024) } }),
      says: "spec.template.annotations: Too long: may not be more than 262144 bytes",
    },
    {
      what: "exit codes out of order",
      job: aJob(
        {},
        {
          spec: {
            podFailurePolicy: { rules: [{ action: "FailJob", onExitCodes: { operator: "In", values: [65, 64] } }] },
          },
        },
      ),
      says: "must be ordered",
    },
    {
      what: "an exit code twice",
      job: aJob(
        {},
        {
          spec: {
            podFailurePolicy: { rules: [{ action: "FailJob", onExitCodes: { operator: "In", values: [64, 64] } }] },
          },
        },
      ),
      says: "Duplicate value: 64",
    },
  ])("refuses $what with 422", async ({ job, says }) => {
    const { code, json } = await api.ask("POST", JOBS, { body: job });
    expect({ code, reason: json["reason"] }).toEqual({ code: 422, reason: "Invalid" });
    expect(json["message"]).toContain(says);
  });

  test.each([
    { what: "text that isn't JSON", options: { headers: { "content-type": "application/json" } }, raw: true },
    { what: "another kind", options: { body: { apiVersion: "apps/v1", kind: "Deployment" } } },
    { what: "a list where an object belongs", options: { body: [] } },
    { what: "a field of the wrong kind", options: { body: aJob({ containers: [sh("", { env: 5 as never })] }) } },
  ])("answers 400 to $what", async ({ options }) => {
    const answer = await api.ask("POST", JOBS, options);
    expect(answer).toMatchObject({ code: 400, json: { reason: "BadRequest" } });
  });

  test("changes neither a template nor the Job's identity", async () => {
    const name = await create(aJob({}));
    const patch = (body: object) =>
      api.ask("PATCH", `${JOBS}/${name}`, { body, headers: { "content-type": "application/merge-patch+json" } });
    const changed = await patch({ spec: { template: { spec: { containers: [sh("exit 1")] } } } });
    expect(changed.code).toBe(422);
    expect(changed.json["message"]).toContain("spec.template: Invalid value");
    expect((await patch({ metadata: { uid: "other" } })).json["message"]).toContain(
      'metadata.uid: Invalid value: "other": field is immutable',
    );
    expect(await patch({ metadata: { resourceVersion: "1" } })).toMatchObject({
      code: 409,
      json: { reason: "Conflict" },
    });
  });

  test("stores nothing on a dry run", async () => {
    const job = aJob({});
    expect((await api.ask("POST", `${JOBS}?dryRun=All`, { body: job })).code).toBe(201);
    expect((await api.ask("GET", `${JOBS}/${job.metadata?.name}`)).code).toBe(404);
  });
});

describe("lists and watches", () => {
  const labelled = async (labels: Record<string, string>): Promise<string> => {
    const job = aJob({}, { spec: { suspend: true } });
    return create({ ...job, metadata: { ...job.metadata, labels: { suite: "lists", ...labels } } });
  };
  const namesOf = (items: unknown): string[] => (items as V1Job[]).map(({ metadata }) => metadata?.name ?? "");

  test("selects by every kind of label requirement", async () => {
    const a = await labelled({ kind: "a", "ion/settled": "true" });
    const b = await labelled({ kind: "b" });
    const c = await labelled({});
    const select = async (selector: string): Promise<string[]> => {
      const { json } = await api.ask("GET", `${JOBS}?labelSelector=${encodeURIComponent(`suite=lists,${selector}`)}`);
      return namesOf(json["items"]).toSorted();
    };
    expect(await select("kind=a")).toEqual([a]);
    expect(await select("kind!=a")).toEqual([b, c].toSorted());
    expect(await select("kind in (a, b)")).toEqual([a, b].toSorted());
    expect(await select("kind notin (a,b)")).toEqual([c]);
    expect(await select("kind,ion/settled!=true")).toEqual([b]);
    expect(await select("!kind")).toEqual([c]);
    expect((await api.ask("GET", `${JOBS}?labelSelector=a%20b`)).code).toBe(400);
  });

  test("pages through a list, each object once, and forgets a list that is too old", async () => {
    const names = [
      await labelled({ paged: "yes" }),
      await labelled({ paged: "yes" }),
      await labelled({ paged: "yes" }),
    ];
    const seen: string[] = [];
    let token = "";
    do {
      const { json } = await api.ask("GET", `${JOBS}?labelSelector=paged=yes&limit=2&continue=${token}`);
      seen.push(...namesOf(json["items"]));
      token = (json["metadata"] as { continue?: string }).continue ?? "";
    } while (token !== "");
    expect(seen).toEqual(names.toSorted());
    const old = Buffer.from(JSON.stringify({ after: "jobs/", at: Date.now() - 3_600_000 })).toString("base64url");
    expect(await api.ask("GET", `${JOBS}?limit=2&continue=${old}`)).toMatchObject({
      code: 410,
      json: { reason: "Expired" },
    });
  });

  test.each([
    { include: "None", object: null },
    { include: "Metadata", object: { kind: "PartialObjectMetadata", metadata: { labels: { kind: "tabled" } } } },
  ])("prints a table as kubectl shows it, with $include of the objects", async ({ include, object }) => {
    const name = await labelled({ kind: "tabled", include });
    const { json } = await api.ask("GET", `${JOBS}?labelSelector=include=${include}&includeObject=${include}`, {
      headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" },
    });
    const columns = (json["columnDefinitions"] as { name: string }[]).map((column) => column.name);
    expect(columns.slice(0, 5)).toEqual(["Name", "Status", "Completions", "Duration", "Age"]);
    expect(json["rows"]).toMatchObject([{ cells: expect.arrayContaining([name, "Suspended", "0/1"]), object }]);
    expect(JSON.stringify(json)).not.toContain("restartPolicy");
  });

  test("tells a watch what comes, changes, stops matching, and goes", async () => {
    const before = (await api.ask("GET", `${JOBS}?limit=1`)).json["metadata"] as { resourceVersion: string };
    const path = `${JOBS}?watch=true&labelSelector=watched=yes&resourceVersion=${before.resourceVersion}`;
    const watch = api.watch(path);
    const name = await labelled({ watched: "yes" });
    const other = await labelled({ watched: "yes" });
    const relabel = (watched: string) =>
      api.ask("PATCH", `${JOBS}/${name}`, {
        body: { metadata: { labels: { watched } } },
        headers: { "content-type": "application/merge-patch+json" },
      });
    await relabel("no");
    await relabel("yes");
    await api.ask("DELETE", `${JOBS}/${other}?propagationPolicy=Background`);
    const seen: string[] = [];
    while (!seen.includes(`DELETED ${other}`)) {
      const { value } = await watch.events.next();
      const { type, object } = value as { type: string; object: V1Job };
      if (type !== "MODIFIED") seen.push(`${type} ${object.metadata?.name}`);
    }
    watch.close();
    expect(seen).toEqual([`ADDED ${name}`, `ADDED ${other}`, `DELETED ${name}`, `ADDED ${name}`, `DELETED ${other}`]);
  });

  test("answers what clients ask before anything else", async () => {
    expect((await api.ask("GET", "/readyz")).text).toBe("ok");
    expect((await api.ask("GET", "/version")).json).toMatchObject({ major: "1" });
    expect((await api.ask("GET", "/apis/batch/v1")).json).toMatchObject({ kind: "APIResourceList" });
    expect((await api.ask("GET", "/apis/apps/v1/namespaces/jobs/deployments")).code).toBe(404);
    const review = { spec: { resourceAttributes: { verb: "create", group: "batch", resource: "jobs" } } };
    const { json } = await api.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", { body: review });
    expect(json).toMatchObject({ status: { allowed: true } });
  });
});

test("leaves no process behind when it closes", async () => {
  const own = mkdtempSync(join(tmpdir(), "dispatcher-cluster-"));
  const cluster = await startCluster({ directory: own, namespace: "jobs" });
  const ownApi = clusterApi(cluster);
  const stubborn = aJob({
    containers: [sh(`sleep 300 & echo $!; trap '' TERM; echo ${PID}; while :; do sleep 0.05; done`)],
  });
  await ownApi.ask("POST", JOBS, { body: stubborn });
  const pids = await vi.waitFor(async () => {
    const [pod] = (await ownApi.ask("GET", PODS)).json["items"] as V1Pod[];
    const said = (await ownApi.ask("GET", `${PODS}/${pod?.metadata?.name}/log`)).text;
    expect(said).toMatch(/^\d+\n\d+\n$/);
    return said.trim().split("\n").map(Number);
  });
  expect(pids.map(isAlive)).toEqual([true, true]);
  ownApi.close();
  await cluster.close();
  expect(pids.map(isAlive)).toEqual([false, false]);
  rmSync(own, { recursive: true, force: true });
});
