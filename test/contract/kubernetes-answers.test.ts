import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { makeKubernetesJobs } from "../../shared/adapters/kubernetes/jobs.ts";
import { ConfigError, DeniedError, errorText, UnavailableError } from "../../shared/errors.ts";
import { clusterAt } from "../support/cluster-at.ts";
import { buildJob } from "./job-harness.ts";

/** The answer of a server that records its requests. Each test sets it. */
let answer: (request: IncomingMessage, response: ServerResponse) => void = () => {};
const asked: { method: string; url: string; headers: IncomingMessage["headers"]; body: string }[] = [];
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (chunk: Buffer) => {
    body += chunk.toString();
  });
  request.on("end", () => {
    asked.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers, body });
    answer(request, response);
  });
});
let place = "";

beforeAll(
  () =>
    new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        place = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
        resolve();
      });
    }),
);
afterAll(() => {
  server.close();
  server.closeAllConnections();
});

function status(code: number, reason: string, message: string, details?: object): object {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    code,
    ...(details ? { details } : {}),
  };
}

function answers(code: number, body: string | object, headers: Record<string, string> = {}): void {
  answer = (_request, response) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    response
      .writeHead(code, { "content-type": typeof body === "string" ? "text/html" : "application/json", ...headers })
      .end(text);
  };
}

const EMPTY_TABLE = { kind: "Table", metadata: {}, columnDefinitions: [], rows: [] };
const job = buildJob("one", "exit 0", {});
const name = job.metadata?.name ?? "";

describe("what the adapter makes of an answer to a create", () => {
  test.each([
    {
      kind: "quota",
      what: "a full quota",
      code: 403,
      reason: "Forbidden",
      message: `jobs.batch "x" is forbidden: exceeded quota: q, requested: count/jobs.batch=1, used: count/jobs.batch=5, limited: count/jobs.batch=5`,
    },
    {
      kind: "quota",
      what: "a quota whose use is not counted yet",
      code: 403,
      reason: "Forbidden",
      message: `jobs.batch "x" is forbidden: status unknown for quota: q, resources: count/jobs.batch`,
    },
    {
      kind: "refused",
      what: "a 422",
      code: 422,
      reason: "Invalid",
      message: `Job.batch "x" is invalid: spec: Required value`,
    },
    {
      kind: "refused",
      what: "a 400",
      code: 400,
      reason: "BadRequest",
      message: "Job in version v1 cannot be handled as a Job",
    },
    {
      kind: "refused",
      what: "a policy's denial",
      code: 403,
      reason: "Forbidden",
      message: `jobs.batch "x" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no root`,
    },
  ])("calls $what: $kind, in the server's own words", async ({ kind, code, reason, message }) => {
    answers(code, status(code, reason, message));
    expect(await clusterAt(place).create(job)).toEqual({ kind, message });
  });

  const SIGNED = "https://payloads.test/body?sv=2022&sig=s3cr3t%2B";

  test.each([
    { what: "a refusal", code: 422, message: `Invalid value: "${SIGNED}"` },
    { what: "a refusal, as JSON", code: 422, message: String.raw`{"url":"${SIGNED.replace("&", "\\u0026")}"}` },
    { what: "a full quota", code: 403, message: `exceeded quota, by ${SIGNED}` },
    { what: "an outage", code: 500, message: `injected: ${SIGNED}` },
  ])("leaves out the signature of a URL that is quoted: $what", async ({ code, message }) => {
    answers(code, status(code, "Reason", message));
    const said = await clusterAt(place).create(job).then(JSON.stringify, errorText);
    expect(said).toContain("https://payloads.test/body");
    expect(said).not.toContain("s3cr3t");
  });

  test("leaves it out of a proxy's page, too", async () => {
    answers(502, `<h1>Bad gateway</h1> ${SIGNED}`);
    const said = await clusterAt(place).create(job).catch(errorText);
    expect(said).toContain("https://payloads.test/body");
    expect(said).not.toContain("s3cr3t");
  });

  test("asks whether it may create Jobs at all if a 403 doesn't say why, and judges none while the server is starting", async () => {
    const reviews = (allowed: boolean, says = "some plugin says no"): void => {
      const denial = status(403, "Forbidden", `jobs.batch "x" is forbidden: ${says}`);
      answer = (request, response) => {
        const isReview = request.url?.endsWith("/selfsubjectaccessreviews") === true;
        const body = isReview ? { kind: "SelfSubjectAccessReview", status: { allowed } } : denial;
        response.writeHead(isReview ? 201 : 403, { "content-type": "application/json" }).end(JSON.stringify(body));
      };
    };
    reviews(true);
    expect(await clusterAt(place).create(job)).toMatchObject({ kind: "refused" });
    reviews(false);
    await expect(clusterAt(place).create(job)).rejects.toThrow(UnavailableError);
    reviews(true, "not yet ready to handle request");
    await expect(clusterAt(place).create(job)).rejects.toThrow(UnavailableError);
  });

  test.each([
    {
      what: "a missing right",
      code: 403,
      reason: "Forbidden",
      message: `jobs.batch is forbidden: User "dispatcher" cannot create resource "jobs" in API group "batch" in the namespace "jobs"`,
      says: /cannot create resource "jobs".*Add it to the Role in namespace jobs, which needs jobs \(create/s,
    },
    {
      what: "a namespace on its way out",
      code: 403,
      reason: "Forbidden",
      message: `jobs.batch "x" is forbidden: unable to create new content in namespace jobs because it is being terminated`,
      says: /Namespace jobs is being deleted\. Create it again/,
    },
    {
      what: "a missing namespace",
      code: 404,
      reason: "NotFound",
      message: `namespaces "jobs" not found`,
      says: /Set JOB_NAMESPACE .*kubectl create namespace jobs/,
    },
    {
      what: "a conflict over something else",
      code: 409,
      reason: "Conflict",
      message: `Operation cannot be fulfilled on resourcequotas "q"`,
      says: /resourcequotas/,
    },
    {
      what: "an expired token",
      code: 401,
      reason: "Unauthorized",
      message: "Unauthorized",
      says: /Renew the token or certificate/,
    },
  ])("calls $what an outage, never the template's fault", async ({ code, reason, message, says }) => {
    answers(code, status(code, reason, message));
    const error: unknown = await clusterAt(place)
      .create(job)
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(String(error)).toMatch(says);
    expect(String(error)).toContain(place);
  });

  test.each([400, 403, 404, 409, 422, 502])("judges no template by a proxy's page with status %i", async (code) => {
    answers(code, "<html><body>exceeded quota, denied the request</body></html>");
    await expect(clusterAt(place).create(job)).rejects.toThrow(UnavailableError);
  });

  test("never sends a create twice", async () => {
    answers(503, status(503, "ServiceUnavailable", "busy"));
    asked.length = 0;
    await expect(clusterAt(place).create(job)).rejects.toThrow(UnavailableError);
    expect(asked.filter(({ method }) => method === "POST")).toHaveLength(1);
  });

  test("is not sure of a create whose reply is no Job", async () => {
    answers(201, { kind: "Job", metadata: {} });
    await expect(clusterAt(place).create(job)).rejects.toThrow(/something other than a Job/);
  });
});

describe("what the adapter makes of an answer to a dry run", () => {
  test("asks for one that stores nothing", async () => {
    answers(201, { kind: "Job", metadata: { uid: "u" } });
    asked.length = 0;
    await clusterAt(place).tryCreate(job);
    const { searchParams, pathname } = new URL(asked[0]?.url ?? "", place);
    expect({ method: asked[0]?.method, pathname }).toEqual({
      method: "POST",
      pathname: "/apis/batch/v1/namespaces/jobs/jobs",
    });
    expect(Object.fromEntries(searchParams)).toEqual({ dryRun: "All", fieldValidation: "Warn" });
    expect(JSON.parse(asked[0]?.body ?? "")).toEqual(job);
  });

  test("passes on what the server warns of, each thing once", async () => {
    const warning = String.raw`299 - "unknown field \"spec.template.spec.a, b\"", 299 - "would violate PodSecurity", 299 - "would violate PodSecurity"`;
    answers(201, { kind: "Job" }, { warning });
    expect(await clusterAt(place).tryCreate(job)).toEqual({
      kind: "accepted",
      stored: { kind: "Job" },
      warnings: [`unknown field "spec.template.spec.a, b"`, "would violate PodSecurity"],
    });
  });

  test("gives back the Job as the server would store it, and takes nothing else for it", async () => {
    const metadata = { labels: { team: "a" }, creationTimestamp: "2026-01-02T00:00:00Z" };
    answers(201, { kind: "Job", metadata });
    const stored = { kind: "Job", metadata: { ...metadata, creationTimestamp: new Date(Date.UTC(2026, 0, 2)) } };
    expect(await clusterAt(place).tryCreate(job)).toEqual({ kind: "accepted", warnings: [], stored });
    answers(201, { kind: "Status" });
    await expect(clusterAt(place).tryCreate(job)).rejects.toThrow(UnavailableError);
  });

  test("tells the fields that a 422 names", async () => {
    const causes = [
      { reason: "FieldValueRequired", message: "Required value", field: "spec.a" },
      { reason: "FieldValueInvalid", message: "Invalid value: 1", field: "spec.b" },
    ];
    answers(422, status(422, "Invalid", "both", { causes }));
    expect(await clusterAt(place).tryCreate(job)).toEqual({
      kind: "refused",
      message: "both",
      faults: causes.map(({ field, message }) => ({ field, message })),
    });
  });

  test("takes a webhook that can't be asked for no judgement", async () => {
    const message = `admission webhook "w" does not support dry run`;
    answers(400, status(400, "BadRequest", message));
    expect(await clusterAt(place).tryCreate(job)).toEqual({ kind: "can't be tried", message });
  });

  test("tells a full quota, and an outage, as a create does", async () => {
    answers(403, status(403, "Forbidden", "exceeded quota: q"));
    expect(await clusterAt(place).tryCreate(job)).toEqual({ kind: "quota", message: "exceeded quota: q" });
    answers(400, "<html>does not support dry run</html>");
    await expect(clusterAt(place).tryCreate(job)).rejects.toThrow(UnavailableError);
    answers(404, status(404, "NotFound", `namespaces "jobs" not found`));
    await expect(clusterAt(place).tryCreate(job)).rejects.toThrow(/JOB_NAMESPACE/);
  });
});

describe("how the adapter reads which cluster it is", () => {
  test("gives the uid of the Jobs' namespace", async () => {
    asked.length = 0;
    answers(200, { kind: "Namespace", metadata: { name: "jobs", uid: "u-1" } });
    expect(await clusterAt(place).namespaceUid()).toBe("u-1");
    expect(asked[0]?.url).toBe("/api/v1/namespaces/jobs");
  });

  test("gives none without the right to read it, by the API server's own answer alone", async () => {
    answers(403, status(403, "Forbidden", 'namespaces "jobs" is forbidden: User "d" cannot get resource "namespaces"'));
    expect(await clusterAt(place).namespaceUid()).toBeUndefined();
    answers(403, "<html>a proxy's page</html>");
    await expect(clusterAt(place).namespaceUid()).rejects.toThrow(UnavailableError);
  });

  test("takes no other failure, and nothing without a uid, for an answer", async () => {
    answers(404, status(404, "NotFound", `namespaces "jobs" not found`));
    await expect(clusterAt(place).namespaceUid()).rejects.toThrow(/JOB_NAMESPACE/);
    answers(200, { kind: "Status", metadata: {} });
    await expect(clusterAt(place).namespaceUid()).rejects.toThrow("something other than a Namespace");
  });
});

describe("how the adapter asks for its rights", () => {
  test("names namespace, verb, group, resource and subresource, and believes nothing but a yes", async () => {
    asked.length = 0;
    const right = { verb: "get", group: "", resource: "pods/log", why: "" } as const;
    answers(201, { kind: "SelfSubjectAccessReview", status: { allowed: true } });
    expect(await clusterAt(place).mayI(right)).toBe(true);
    expect(JSON.parse(asked[0]?.body ?? "")).toMatchObject({
      spec: { resourceAttributes: { namespace: "jobs", verb: "get", group: "", resource: "pods", subresource: "log" } },
    });
    answers(201, { kind: "SelfSubjectAccessReview", status: { allowed: true } });
    await clusterAt(place).mayI({ verb: "get", group: "", resource: "namespaces", why: "" });
    expect(JSON.parse(asked[1]?.body ?? "")).toMatchObject({
      spec: { resourceAttributes: { namespace: "jobs", verb: "get", group: "", resource: "namespaces", name: "jobs" } },
    });
    answers(201, { kind: "SelfSubjectAccessReview", status: { allowed: false } });
    expect(await clusterAt(place).mayI(right)).toBe(false);
    answers(200, "<html>login</html>");
    await expect(clusterAt(place).mayI(right)).rejects.toThrow(UnavailableError);
  });
});

describe("how the adapter reads the server's version", () => {
  test.each([
    { what: "a plain one", answered: { major: "1", minor: "36" }, want: { major: 1, minor: 36 } },
    { what: "a managed cluster's", answered: { major: "1", minor: "31+" }, want: { major: 1, minor: 31 } },
    { what: "a cloud's own", answered: { major: "1+", minor: "30-eks-1234" }, want: { major: 1, minor: 30 } },
    { what: "none", answered: { gitVersion: "v0.0.0-master" }, want: undefined },
    { what: "an empty one", answered: { major: "", minor: "" }, want: undefined },
    { what: "numbers", answered: { major: 1, minor: 36 }, want: undefined },
  ])("$what", async ({ answered, want }) => {
    asked.length = 0;
    answers(200, answered);
    expect(await clusterAt(place).version()).toEqual(want);
    expect(asked.map(({ method, url }) => `${method} ${url}`)).toEqual(["GET /version"]);
  });

  test("says nothing if the server tells it to nobody, and fails if the server is away", async () => {
    answers(403, status(403, "Forbidden", 'forbidden: User "u" cannot get path "/version"'));
    expect(await clusterAt(place).version()).toBeUndefined();
    answers(502, "<h1>Bad gateway</h1>");
    await expect(clusterAt(place).version()).rejects.toThrow(UnavailableError);
  });
});

describe("whether KEDA wakes an app whose messages it can't count", () => {
  const described = (status: object) => ({
    openapi: "3.0.0",
    components: {
      schemas: {
        "sh.keda.v1alpha1.ScaledJob": { properties: {} },
        "sh.keda.v1alpha1.ScaledObject": { properties: { spec: {}, status: { properties: status } } },
      },
    },
  });

  test.each([
    { what: "KEDA 2.19 or later", answered: described({ health: {}, triggersActivity: {} }), want: true },
    { what: "an older KEDA", answered: described({ health: {} }), want: false },
    { what: "other kinds of KEDA alone", answered: { components: { schemas: {} } }, want: undefined },
    { what: "nothing", answered: {}, want: undefined },
  ])("is read from the description of its kinds: $what", async ({ answered, want }) => {
    asked.length = 0;
    answers(200, answered);
    expect(await clusterAt(place).kedaWakes()).toBe(want);
    expect(asked.map(({ method, url }) => `${method} ${url}`)).toEqual(["GET /openapi/v3/apis/keda.sh/v1alpha1"]);
  });

  test("is unknown if the cluster has no KEDA, or tells nobody", async () => {
    answers(404, "404 page not found");
    expect(await clusterAt(place).kedaWakes()).toBeUndefined();
    answers(403, status(403, "Forbidden", 'forbidden: User "u" cannot get path "/openapi/v3/apis/keda.sh/v1alpha1"'));
    expect(await clusterAt(place).kedaWakes()).toBeUndefined();
    answers(503, "<h1>Unavailable</h1>");
    await expect(clusterAt(place).kedaWakes()).rejects.toThrow(UnavailableError);
  });
});

test("counts no further than it was told", async () => {
  const rows = Array.from({ length: 500 }, (_, index) => ({
    cells: [`job-${index}`, index % 2 === 0 ? "Complete" : "Running"],
    object: { metadata: { creationTimestamp: index < 100 ? "2026-01-01T00:00:00Z" : "2026-01-02T00:00:00Z" } },
  }));
  const columnDefinitions = [{ name: "Name" }, { name: "Status" }];
  answers(200, { kind: "Table", metadata: { continue: "more" }, columnDefinitions, rows });
  asked.length = 0;
  expect(await clusterAt(place).count(Date.UTC(2026, 0, 2), 600)).toEqual({ finished: 300, recent: 400 });
  expect(asked).toHaveLength(2);
  const query = new URL(asked[0]?.url ?? "", place).searchParams;
  expect(query.get("labelSelector")).toBe("app.kubernetes.io/managed-by=dispatcher,app.kubernetes.io/instance=one");
});

describe("what the adapter makes of any other answer", () => {
  const TOO_MANY = status(429, "TooManyRequests", "too many requests");
  const LATER = { "retry-after": "1" };

  test("sends no more reads, but for logs, before the time has passed that the server asked for", async () => {
    const cluster = clusterAt(place);
    answers(429, TOO_MANY, LATER);
    await expect(cluster.get(name)).rejects.toMatchObject({
      name: "UnavailableError",
      message: expect.stringContaining("too many requests"),
    });
    const before = asked.length;
    answers(200, EMPTY_TABLE);
    await expect(cluster.listJobs()).rejects.toThrow(
      /not asked again before .* 429 TooManyRequests: too many requests\.$/,
    );
    expect(asked).toHaveLength(before);
    // The app asks for a log once, because its pod may be gone later.
    answers(200, "said");
    expect(Buffer.from((await cluster.log("pod", "main", 100)) ?? []).toString()).toBe("said");
    answers(200, EMPTY_TABLE);
    await vi.waitFor(async () => expect((await cluster.listJobs()).jobs).toEqual([]), {
      timeout: 10_000,
      interval: 50,
    });
  });

  test.each([
    { what: "a refused read rests no create", first: "get", second: "create" },
    { what: "a refused create rests no read", first: "create", second: "get" },
  ] as const)("takes an answer for one about what was asked alone: $what", async ({ first, second }) => {
    const cluster = clusterAt(place);
    const ask = { get: () => cluster.get(name), create: () => cluster.create(job) };
    answers(503, status(503, "ServiceUnavailable", "the server is overloaded"), LATER);
    await expect(ask[first]()).rejects.toThrow(UnavailableError);
    answers(200, { kind: "Job", metadata: { name, uid: "u" } });
    await expect(ask[second]()).resolves.toBeDefined();
  });

  test("never takes a stored answer for the answer to another create", async () => {
    const cluster = clusterAt(place);
    answers(429, TOO_MANY, LATER);
    await expect(cluster.create(job)).rejects.toThrow(UnavailableError);
    await expect(cluster.create(job)).rejects.toThrow(/not asked again before/);
  });

  test.each([
    `unable to retrieve container logs for containerd://${"0f".repeat(32)}`,
    `failed to try resolving symlinks in path "/var/log/pods/jobs_x/main/0.log": lstat /var/log/pods/jobs_x: no such file or directory`,
  ])("takes the kubelet's excuse for a log, which comes with status 200, for none: %s", async (excuse) => {
    answers(200, excuse);
    expect(await clusterAt(place).log("pod", "main", 100_000)).toBeUndefined();
    answers(200, `${excuse}\nand more`);
    expect(await clusterAt(place).log("pod", "main", 100_000)).toBeDefined();
  });

  test.each([
    { what: "a proxy's page", body: "<html>login</html>", type: "text/html" },
    { what: "a page that claims to be JSON", body: "<html>login</html>", type: "application/json" },
    { what: "half a document", body: `{"kind":"Job","metadata":{"na`, type: "application/json" },
    { what: "nothing at all", body: "", type: "application/json" },
  ])("takes $what with status 200 for an outage", async ({ body, type }) => {
    answers(200, body, { "content-type": type });
    const calls = [
      clusterAt(place).get(name),
      clusterAt(place).listJobs(),
      clusterAt(place).create(job),
      clusterAt(place).pods(name),
    ];
    for (const call of await Promise.allSettled(calls)) {
      expect(call.status === "rejected" && call.reason).toBeInstanceOf(UnavailableError);
    }
  });

  test("takes an answer that breaks off for an outage", async () => {
    answer = (_request, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
      response.write(`{"kind":"Job",`, () => response.destroy());
    };
    await expect(clusterAt(place).get(name)).rejects.toThrow(UnavailableError);
  });

  test("gives up waiting, and says after how long", async () => {
    answer = () => {};
    await expect(clusterAt(place, 100).listJobs()).rejects.toThrow(/no answer within 100 ms/);
  });

  test("gives up waiting for the rest of a log", async () => {
    answer = (_request, response) => {
      response.writeHead(200, { "content-type": "text/plain" });
      response.write("begun\n");
    };
    await expect(clusterAt(place, 100).log("pod-abcde", "main", 100)).rejects.toThrow(/no answer within 100 ms/);
  });

  test("names the server that does not listen", async () => {
    const gone = createServer();
    await new Promise<void>((resolve) => gone.listen(0, "127.0.0.1", resolve));
    const address = gone.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
    await new Promise((resolve) => gone.close(resolve));
    const error: unknown = await clusterAt(url)
      .listJobs()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(String(error)).toContain(url);
    expect(String(error)).toContain("ECONNREFUSED");
  });

  test("doesn't believe a proxy that a Job is gone", async () => {
    answers(404, "<html>not found</html>");
    await expect(clusterAt(place).get(name)).rejects.toThrow(UnavailableError);
    await expect(clusterAt(place).end(name, "uid")).rejects.toThrow(UnavailableError);
  });

  test("takes either of the two ways in which a server says that the uid is another", async () => {
    answers(409, status(409, "Conflict", "Precondition failed: UID in precondition: a, UID in object meta: b"));
    await expect(clusterAt(place).end(name, "uid")).resolves.toBeUndefined();
    const details = { causes: [{ reason: "FieldValueInvalid", message: "field is immutable", field: "metadata.uid" }] };
    answers(422, status(422, "Invalid", `metadata.uid: Invalid value: "a": field is immutable`, details));
    await expect(clusterAt(place).end(name, "uid")).resolves.toBeUndefined();
    answers(422, status(422, "Invalid", "spec.ttlSecondsAfterFinished: Invalid value"));
    await expect(clusterAt(place).end(name, "uid")).rejects.toThrow(UnavailableError);
  });

  test("asks for light lists under its own name", async () => {
    answers(200, { kind: "Table", metadata: {}, columnDefinitions: [], rows: [] });
    asked.length = 0;
    await clusterAt(place).listJobs();
    const [request] = asked;
    const query = new URL(request?.url ?? "", place).searchParams;
    expect(query.get("includeObject")).toBe("None");
    expect(query.get("limit")).toBe("500");
    expect(query.get("labelSelector")).toBe(
      "app.kubernetes.io/managed-by=dispatcher,app.kubernetes.io/instance=one,ion/retired!=true",
    );
    expect(request?.headers).toMatchObject({ "user-agent": "dispatcher", authorization: "Bearer secret" });
    expect(request?.headers.accept).toBe("application/json;as=Table;v=v1;g=meta.k8s.io");
  });

  test("gets no body back with a Job that it made or changed", async () => {
    answers(200, { kind: "PartialObjectMetadata", metadata: { uid: "u" } });
    asked.length = 0;
    const cluster = clusterAt(place);
    expect(await cluster.create(job)).toEqual({ kind: "created", uid: "u" });
    await cluster.end("a", "u");
    await cluster.retire("a", "u", 60, { end: false });
    const accepted = asked.map(({ headers }) => headers.accept);
    expect(accepted).toEqual(Array(3).fill("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"));
  });
});

describe("what the adapter makes of a patch that is refused", () => {
  const retire = () => clusterAt(place).retire("a", "u", 60, { end: false });

  test.each([
    [
      403,
      "Forbidden",
      `jobs.batch "a" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`,
    ],
    [422, "Invalid", `Job.batch "a" is invalid: spec.template: Invalid value`],
  ])("is denied by %i %s: %s", async (code, reason, message) => {
    answers(code, status(code, reason, message));
    await expect(retire()).rejects.toThrow(DeniedError);
  });

  test.each([
    [403, "Forbidden", `jobs.batch "a" is forbidden: User "d" cannot patch resource "jobs" in API group "batch"`],
    [403, "Forbidden", `jobs.batch "a" is forbidden: not yet ready to handle request`],
    [503, "ServiceUnavailable", "later"],
  ])("passes by itself after %i %s: %s", async (code, reason, message) => {
    answers(code, status(code, reason, message));
    const error: unknown = await retire().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).not.toBeInstanceOf(DeniedError);
  });
});

test("stops at start if a kubeconfig names no cluster", () => {
  expect(() =>
    makeKubernetesJobs({ kubeconfig: "/nonexistent/kubeconfig", namespace: "jobs", instance: "one" }),
  ).toThrow(ConfigError);
});
