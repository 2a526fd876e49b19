// oxlint-disable typescript/no-unsafe-type-assertion -- What the server answers is what these tests are about.
import { statSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import type { V1Job } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aJob, JOBS, type LocalClusterUser, sh, startLocalCluster } from "../support/local-cluster.ts";

let on: LocalClusterUser;
beforeAll(async () => {
  on = await startLocalCluster();
});
afterAll(() => on.close());

describe("who may ask", () => {
  test.each([{}, { authorization: "Bearer wrong" }, { authorization: `Basic ${"x".repeat(43)}` }])(
    "answers 401 to %o",
    async (headers) => {
      const answer = await on.api.ask("GET", JOBS, { headers: { authorization: "", ...headers } });
      expect(answer).toMatchObject({
        code: 401,
        json: { kind: "Status", status: "Failure", reason: "Unauthorized", code: 401 },
      });
    },
  );

  test.each(["example.com", `example.com:80`, "127.0.0.1.example.com"])(
    "answers 403 to the host name %s, token or not",
    async (host) => {
      expect(await on.api.ask("GET", JOBS, { headers: { host } })).toMatchObject({
        code: 403,
        json: { reason: "Forbidden" },
      });
    },
  );

  test("keeps its kubeconfig from other users", () => {
    expect(statSync(on.local.kubeconfigPath).mode & 0o777).toBe(0o600);
  });
});

describe("how it words its refusals", () => {
  test("says AlreadyExists as a cluster does", async () => {
    const job = aJob({});
    const name = await on.create(job);
    expect((await on.api.ask("POST", JOBS, { body: job })).json).toEqual({
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
    const { code, json } = await on.api.ask("POST", JOBS, { body: job });
    expect({ code, reason: json["reason"] }).toEqual({ code: 422, reason: "Invalid" });
    expect(json["message"]).toContain(says);
  });

  test.each([
    { what: "text that isn't JSON", options: { headers: { "content-type": "application/json" } }, raw: true },
    { what: "another kind", options: { body: { apiVersion: "apps/v1", kind: "Deployment" } } },
    { what: "a list where an object belongs", options: { body: [] } },
    { what: "a field of the wrong kind", options: { body: aJob({ containers: [sh("", { env: 5 as never })] }) } },
  ])("answers 400 to $what", async ({ options }) => {
    const answer = await on.api.ask("POST", JOBS, options);
    expect(answer).toMatchObject({ code: 400, json: { reason: "BadRequest" } });
  });

  test("changes neither a template nor the Job's identity", async () => {
    const name = await on.create(aJob({}));
    const patch = (body: object) => on.mergePatch(name, body);
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
    expect((await on.api.ask("POST", `${JOBS}?dryRun=All`, { body: job })).code).toBe(201);
    expect((await on.api.ask("GET", `${JOBS}/${job.metadata?.name}`)).code).toBe(404);
  });
});

describe("lists and watches", () => {
  const labelled = async (labels: Record<string, string>, annotations = {}): Promise<string> => {
    const job = aJob({}, { annotations, spec: { suspend: true } });
    return on.create({ ...job, metadata: { ...job.metadata, labels: { suite: "lists", ...labels } } });
  };
  const namesOf = (items: unknown): string[] => (items as V1Job[]).map(({ metadata }) => metadata?.name ?? "");

  test("selects by every kind of label requirement", async () => {
    const a = await labelled({ kind: "a", "ion/retired": "true" });
    const b = await labelled({ kind: "b" });
    const c = await labelled({});
    const select = async (selector: string): Promise<string[]> => {
      const { json } = await on.api.ask(
        "GET",
        `${JOBS}?labelSelector=${encodeURIComponent(`suite=lists,${selector}`)}`,
      );
      return namesOf(json["items"]).toSorted();
    };
    expect(await select("kind=a")).toEqual([a]);
    expect(await select("kind!=a")).toEqual([b, c].toSorted());
    expect(await select("kind in (a, b)")).toEqual([a, b].toSorted());
    expect(await select("kind notin (a,b)")).toEqual([c]);
    expect(await select("kind,ion/retired!=true")).toEqual([b]);
    expect(await select("!kind")).toEqual([c]);
    expect((await on.api.ask("GET", `${JOBS}?labelSelector=a%20b`)).code).toBe(400);
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
      const { json } = await on.api.ask("GET", `${JOBS}?labelSelector=paged=yes&limit=2&continue=${token}`);
      seen.push(...namesOf(json["items"]));
      token = (json["metadata"] as { continue?: string }).continue ?? "";
    } while (token !== "");
    expect(seen).toEqual(names.toSorted());
    const old = Buffer.from(JSON.stringify({ after: "jobs/", at: Date.now() - 3_600_000 })).toString("base64url");
    expect(await on.api.ask("GET", `${JOBS}?limit=2&continue=${old}`)).toMatchObject({
      code: 410,
      json: { reason: "Expired" },
    });
  });

  test.each([
    { include: "None", object: null },
    { include: "Metadata", object: { kind: "PartialObjectMetadata", metadata: { labels: { kind: "tabled" } } } },
  ])("prints a table as kubectl shows it, with $include of the objects", async ({ include, object }) => {
    const name = await labelled({ kind: "tabled", include });
    const { json } = await on.api.ask("GET", `${JOBS}?labelSelector=include=${include}&includeObject=${include}`, {
      headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" },
    });
    const columns = (json["columnDefinitions"] as { name: string }[]).map((column) => column.name);
    expect(columns.slice(0, 5)).toEqual(["Name", "Status", "Completions", "Duration", "Age"]);
    expect(json["rows"]).toMatchObject([{ cells: expect.arrayContaining([name, "Suspended", "0/1"]), object }]);
    expect(JSON.stringify(json)).not.toContain("restartPolicy");
  });

  test("answers who makes or changes a Job with its metadata alone, where that is asked for", async () => {
    const accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    const name = await labelled({ kind: "partial" });
    const { json } = await on.api.ask("PATCH", `${JOBS}/${name}`, {
      body: { metadata: { labels: { kind: "patched" } } },
      headers: { accept, "content-type": "application/merge-patch+json" },
    });
    expect(json).toMatchObject({ kind: "PartialObjectMetadata", metadata: { name, labels: { kind: "patched" } } });
    expect(Object.keys(json).toSorted()).toEqual(["apiVersion", "kind", "metadata"]);
  });

  test("tells a watch what comes, changes, stops matching, and goes", async () => {
    const before = (await on.api.ask("GET", `${JOBS}?limit=1`)).json["metadata"] as { resourceVersion: string };
    const path = `${JOBS}?watch=true&labelSelector=watched=yes&resourceVersion=${before.resourceVersion}`;
    const watch = on.api.watch(path);
    const name = await labelled({ watched: "yes" });
    const other = await labelled({ watched: "yes" });
    const relabel = (watched: string) => on.mergePatch(name, { metadata: { labels: { watched } } });
    await relabel("no");
    await relabel("yes");
    await on.api.ask("DELETE", `${JOBS}/${other}?propagationPolicy=Background`);
    const seen: string[] = [];
    while (!seen.includes(`DELETED ${other}`)) {
      const { value } = await watch.events.next();
      const { type, object } = value as { type: string; object: V1Job };
      if (type !== "MODIFIED") seen.push(`${type} ${object.metadata?.name}`);
    }
    watch.close();
    expect(seen).toEqual([`ADDED ${name}`, `ADDED ${other}`, `DELETED ${name}`, `ADDED ${name}`, `DELETED ${other}`]);
  });

  test("goes on when the time of a watch is over that nobody reads", async () => {
    const ballast = { "example.com/ballast": "x".repeat(200 * 1024) };
    for (let count = 0; count < 20; count += 1) await labelled({ watched: "unread" }, ballast);
    const watch = on.api.watch(`${JOBS}?watch=true&labelSelector=watched=unread&timeoutSeconds=1`);
    await setTimeout(1_200);
    await labelled({ watched: "unread" });
    expect((await on.api.ask("GET", "/readyz")).text).toBe("ok");
    watch.close();
  });

  test("answers what clients ask before anything else", async () => {
    expect((await on.api.ask("GET", "/readyz")).text).toBe("ok");
    expect((await on.api.ask("GET", "/version")).json).toMatchObject({ major: "1" });
    expect((await on.api.ask("GET", "/apis/batch/v1")).json).toMatchObject({ kind: "APIResourceList" });
    expect((await on.api.ask("GET", "/apis/apps/v1/namespaces/jobs/deployments")).code).toBe(404);
    const review = { spec: { resourceAttributes: { verb: "create", group: "batch", resource: "jobs" } } };
    const { json } = await on.api.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {
      body: review,
    });
    expect(json).toMatchObject({ status: { allowed: true } });
  });
});
