import { describe, expect, it } from "vitest";
import type { Disposition } from "../../local/broker/stored-message.ts";
import { busEdge, settlementEdge } from "../../prove/faults/bus-edge.ts";
import { DEMANDED_EDGES, type Edge } from "../../prove/faults/edges.ts";
import { blobEdge, clusterEdge, isWorkersRead, tableEdges } from "../../prove/faults/http-edge.ts";
import { settlementCallEdge } from "../../prove/faults/settlement-proxy.ts";
import { settlementRequest } from "../../shared/adapters/functions-host/settlement-request.ts";

const TABLE = "/devstoreaccount1/ProofRuns";
const row = (key: string) => `${TABLE}(PartitionKey='proof%7Cq%7Cproof',RowKey='${encodeURIComponent(key)}')`;
const query = (kind: string) =>
  `${TABLE}()?$filter=PartitionKey%20eq%20%27p%27%20and%20RowKey%20ge%20%27${kind}%7C%27%20and%20RowKey%20lt%20%27${kind}%7D%27`;
const WORK = "work|00000000000000000007|000000000000001";
const WAIT = "wait|m|000000000000001|00000000000000000007|000000000000001";
const LATER = "later|000000000000009|m|00000000000000000007|000000000000001";
const HOLD = "hold|-|00000000000000000007|000000000000001";
const RUN = "run|2026-11-24|00000000000000000007|1";
const MSG = "msg|0123456789abcdef|00000000000000000007|000000000000001";
const DEAD = "dead|m|JobFailed|0123456789ab|00000000000000000007|000000000000001";
/** Makes the body of a transaction. */
const batch = (...steps: [method: string, rowKey: string, status?: string][]) =>
  steps
    .map(([method, rowKey, status]) => {
      const url = method === "POST" ? TABLE : row(rowKey);
      return `--changeset_1\r\n\r\n${method} http://127.0.0.1${url} HTTP/1.1\r\n\r\n${JSON.stringify({ RowKey: rowKey, status })}`;
    })
    .join("\r\n");

describe("a request to the table service", () => {
  it.each<[edge: Edge | undefined, method: string, url: string, body: string]>([
    ["make the table", "POST", "/devstoreaccount1/Tables", "{}"],
    ["insert a run", "POST", "/devstoreaccount1/$batch", batch(["POST", WORK], ["POST", RUN])],
    ["close a run", "POST", "/devstoreaccount1/$batch", batch(["DELETE", WORK], ["PATCH", RUN, "succeeded"])],
    ["close a run", "POST", "/devstoreaccount1/$batch", batch(["DELETE", WAIT], ["PATCH", RUN, "lost"])],
    ["insert a run", "POST", "/devstoreaccount1/$batch", batch(["POST", WAIT, "waiting"], ["POST", RUN, "open"])],
    ["insert a run", "POST", "/devstoreaccount1/$batch", batch(["POST", HOLD, "held"], ["POST", RUN, "open"])],
    // A move from one place to another.
    [
      "update a run to settling",
      "POST",
      "/devstoreaccount1/$batch",
      batch(["POST", WORK, "settling"], ["DELETE", HOLD]),
    ],
    [
      "update a run to held",
      "POST",
      "/devstoreaccount1/$batch",
      batch(["POST", HOLD.replace("-", "m"), "held"], ["DELETE", HOLD], ["PATCH", RUN, "open"]),
    ],
    [
      "update a run to dispatched",
      "POST",
      "/devstoreaccount1/$batch",
      batch(["POST", WORK, "dispatched"], ["DELETE", WAIT]),
    ],
    [
      "update a run to waiting",
      "POST",
      "/devstoreaccount1/$batch",
      batch(["POST", LATER, "waiting"], ["DELETE", WORK], ["PATCH", RUN, "open"]),
    ],
    // A twin of the app writes only one of the two rows.
    ["insert a run", "POST", "/devstoreaccount1/$batch", batch(["POST", WORK])],
    ["close a run", "POST", "/devstoreaccount1/$batch", batch(["DELETE", WORK])],
    ["reopen a run", "POST", "/devstoreaccount1/$batch", batch(["POST", WORK], ["PUT", RUN])],
    ["purge history", "POST", "/devstoreaccount1/$batch", batch(["DELETE", RUN], ["DELETE", RUN.replace("7", "8")])],
    // A letter is claimed: its run begins, and the run before no longer names it.
    [
      "claim a letter",
      "POST",
      "/devstoreaccount1/$batch",
      batch(
        ["POST", `${WAIT}|r1`, "waiting"],
        ["POST", `${RUN}|r1`, "open"],
        ["PUT", MSG],
        ["DELETE", DEAD],
        ["PUT", RUN],
      ),
    ],
    ["note a letter again", "POST", "/devstoreaccount1/$batch", batch(["PUT", RUN, "failed"], ["PUT", DEAD])],
    ["list the redrives", "GET", query("redrive"), ""],
    ["note how far a redrive is", "POST", "/devstoreaccount1/$batch", batch(["PUT", "redrive|proof|q|proof"])],
    // The rows by which people find runs go along.
    [
      "insert a run",
      "POST",
      "/devstoreaccount1/$batch",
      batch(["POST", WORK], ["POST", RUN], ["PUT", MSG], ["PUT", MSG.replace("msg", "corr")]),
    ],
    [
      "close a run",
      "POST",
      "/devstoreaccount1/$batch",
      batch(["DELETE", WORK], ["PATCH", RUN, "failed"], ["PUT", DEAD, "failed"]),
    ],
    ["purge history", "POST", "/devstoreaccount1/$batch", batch(["DELETE", RUN], ["DELETE", MSG], ["DELETE", DEAD])],
    ["look for history", "GET", row(DEAD), ""],
    ["look for history", "GET", query("dead"), ""],
    ["register a source", "POST", TABLE, '{"RowKey":"source|proof|q|proof"}'],
    ["make the owner", "POST", TABLE, '{"RowKey":"owner"}'],
    ["read the owner", "GET", row("owner"), ""],
    ["find a run", "GET", row(RUN), ""],
    ["read an open run", "GET", row(WORK), ""],
    ["update a run to dispatched", "PUT", row(WORK), '{"status":"dispatched"}'],
    ["update a run to settling", "PUT", row(WORK), '{"status":"settling"}'],
    ["read the sweep's cursor", "GET", row("sweep"), ""],
    ["save the sweep's cursor", "PUT", row("sweep"), "{}"],
    ["record the tick", "PUT", row("tick"), "{}"],
    ["read who ticks", "GET", row("lease"), ""],
    ["note who ticks", "PUT", row("lease"), "{}"],
    ["note who ticks", "POST", "/devstoreaccount1/$batch", batch(["POST", "lease"])],
    ["note who ticks", "POST", "/devstoreaccount1/$batch", batch(["PUT", "lease"])],
    ["read the recent ends", "GET", row("ends"), ""],
    ["note the recent ends", "POST", "/devstoreaccount1/$batch", batch(["POST", "ends"])],
    ["note the recent ends", "POST", "/devstoreaccount1/$batch", batch(["PUT", "ends"])],
    ["read an open run", "GET", row(WAIT), ""],
    ["list the runs at work", "GET", query("work"), ""],
    ["list what comes due", "GET", query("later"), ""],
    ["look at the lines", "GET", query("wait"), ""],
    ["list the rows of before", "GET", query("open"), ""],
    ["compare messages with their runs", "GET", query("run"), ""],
    ["list the sources", "GET", query("source"), ""],
    ["list the modules' states", "GET", query("module"), ""],
    ["note a module's state", "POST", TABLE, '{"RowKey":"module|thumbnail"}'],
    ["note a module's state", "PUT", row("module|thumbnail"), "{}"],
    ["look for old actions", "GET", query("action"), ""],
    ["purge actions", "POST", "/devstoreaccount1/$batch", batch(["DELETE", "action|1|a"], ["DELETE", "action|2|b"])],
    // A person cancels a run.
    [
      "update a run to settling",
      "POST",
      "/devstoreaccount1/$batch",
      batch(["POST", WORK, "settling"], ["DELETE", WAIT], ["POST", "action|1|a"]),
    ],
    ["list the limits", "GET", query("limit"), ""],
    ["remove a limit", "POST", "/devstoreaccount1/$batch", batch(["DELETE", "limit|thumbnail"])],
    ["read the cluster's record", "GET", row("cluster"), ""],
    ["record the cluster", "POST", TABLE, '{"RowKey":"cluster"}'],
    ["record the cluster", "PUT", row("cluster"), "{}"],
    ["list the held sources", "GET", query("held"), ""],
    ["hold a source", "POST", TABLE, '{"RowKey":"held|proof|q|proof"}'],
    ["hold a source", "PUT", row("held|proof|q|proof"), "{}"],
    ["hold a source", "POST", "/devstoreaccount1/$batch", batch(["DELETE", "held|proof|q|proof"])],
    ["look at what is held", "GET", query("hold"), ""],
    ["list the gates' states", "GET", query("gate"), ""],
    ["note a gate's state", "POST", TABLE, '{"RowKey":"gate|m|thumbnail"}'],
    ["note a gate's state", "PUT", row("gate|q|thumbnails"), "{}"],
    ["look for history", "GET", `${query("run")}%20and%20closedAt%20lt%20datetime%271%27`, ""],
    [undefined, "GET", "/devstoreaccount1?comp=properties", ""],
  ])("is recognised: %s", (edge, method, url, body) => {
    expect(tableEdges({ method, url, body })).toEqual(edge === undefined ? [] : [edge]);
  });

  it("is recognised as all the calls that it makes, each named once", () => {
    const body = batch(
      ["DELETE", WORK],
      ["PATCH", RUN, "failed"],
      ["PUT", WORK.replace("7", "8"), "dispatched"],
      ["POST", WORK.replace("7", "9")],
      ["POST", RUN.replace("7", "9")],
      ["PUT", WORK.replace("7", "6"), "dispatched"],
    );
    expect(tableEdges({ method: "POST", url: "/devstoreaccount1/$batch", body })).toEqual([
      "close a run",
      "update a run to dispatched",
      "insert a run",
    ]);
  });
});

describe("a request to the blob service", () => {
  const body = "/devstoreaccount1/dispatcher-payloads/proof/q/proof/00000000000000000007-1/body";
  const log = "/devstoreaccount1/dispatcher-logs/proof/q/proof/00000000000000000007-1/attempt-1/worker.log";
  it.each<[edge: Edge | undefined, method: string, url: string]>([
    ["make a container", "PUT", "/devstoreaccount1/dispatcher-payloads?restype=container"],
    ["store a body", "PUT", body],
    ["delete a body", "DELETE", body],
    ["list the bodies", "GET", "/devstoreaccount1/dispatcher-payloads?restype=container&comp=list&prefix=proof%2Fq"],
    ["store a log", "PUT", log],
    ["look at a container", "GET", "/devstoreaccount1/dispatcher-payloads?restype=container"],
    [undefined, "GET", `${body}?sig=x`],
  ])("is recognised: %s", (edge, method, url) => {
    expect(blobEdge({ method, url, body: "" })).toBe(edge);
  });

  it("is a worker's only if it reads a body by a signed URL", () => {
    expect(isWorkersRead({ method: "GET", url: `${body}?sv=1&sig=x`, body: "" })).toBe(true);
    expect(isWorkersRead({ method: "GET", url: body, body: "" })).toBe(false);
    expect(isWorkersRead({ method: "PUT", url: `${body}?sig=x`, body: "" })).toBe(false);
  });
});

describe("a request to the cluster", () => {
  const jobs = "/apis/batch/v1/namespaces/proof-jobs/jobs";
  const pods = "/api/v1/namespaces/proof-jobs/pods";
  const ours = "app.kubernetes.io/managed-by%3Ddispatcher";
  it.each<[edge: Edge | undefined, method: string, url: string, body: string]>([
    ["create a job", "POST", jobs, "{}"],
    ["try a job", "POST", `${jobs}?dryRun=All`, "{}"],
    ["watch the pods", "GET", `${pods}?watch=1&labelSelector=a%3Db&fieldSelector=status.phase%3DSucceeded`, ""],
    ["watch the jobs", "GET", `${jobs}?watch=1&labelSelector=${encodeURIComponent("a=b,ion/retired!=true")}`, ""],
    ["glance at a job", "GET", `${jobs}/a-1?includeObject=Metadata`, ""],
    ["retire a job", "PATCH", `${jobs}/a-1`, '{"spec":{"ttlSecondsAfterFinished":120}}'],
    ["end a job", "PATCH", `${jobs}/a-1`, '{"spec":{"activeDeadlineSeconds":1}}'],
    ["read a job", "GET", `${jobs}/a-1`, ""],
    ["list the jobs", "GET", `${jobs}?labelSelector=${ours},ion%2Fretired!%3Dtrue`, ""],
    ["list the cancelled jobs", "GET", `${jobs}?labelSelector=${ours},ion%2Fretired!%3Dtrue,ion%2Fcancel%3Dtrue`, ""],
    ["look at the jobs", "GET", `${jobs}?limit=1`, ""],
    ["look at the namespace", "GET", "/api/v1/namespaces/proof-jobs", ""],
    ["count the jobs", "GET", `${jobs}?labelSelector=${ours}`, ""],
    ["list the pods", "GET", `${pods}?fieldSelector=status.phase!%3DFailed&labelSelector=${ours}`, ""],
    ["read a job's pods", "GET", `${pods}?labelSelector=batch.kubernetes.io%2Fjob-name%3Da-1`, ""],
    ["read a log", "GET", `${pods}/a-1-abcde/log?container=worker`, ""],
    ["read events", "GET", "/api/v1/namespaces/proof-jobs/events?limit=500", ""],
    ["ask for the version", "GET", "/version", ""],
    ["ask about KEDA", "GET", "/openapi/v3/apis/keda.sh/v1alpha1", ""],
    ["ask for a right", "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "{}"],
  ])("is recognised: %s", (edge, method, url, body) => {
    expect(clusterEdge({ method, url, body })).toBe(edge);
  });
});

describe("a request to the bus", () => {
  const disposition = (status: string, reason?: string) => ({
    operation: "com.microsoft:update-disposition",
    body: { "disposition-status": status, "deadletter-reason": reason },
  });
  const receive = (number: unknown) => ({
    operation: "com.microsoft:receive-by-sequence-number",
    body: { "sequence-numbers": [number] },
  });
  const wire = Buffer.alloc(8);
  wire.writeBigInt64BE(2n ** 48n - 1n);
  it.each<[edge: Edge | undefined, call: { operation: string; body: unknown }]>([
    ["peek at a message", { operation: "com.microsoft:peek-message", body: { "message-count": 1 } }],
    ["browse the messages", { operation: "com.microsoft:peek-message", body: { "message-count": 50 } }],
    ["receive a deferred message", receive(7)],
    ["verify a source", receive(wire)],
    ["renew a lock", { operation: "com.microsoft:renew-lock", body: {} }],
    ["defer a message", disposition("defered")],
    ["complete a message", disposition("completed")],
    ["abandon a message", disposition("abandoned")],
    ["dead-letter a message", disposition("suspended", "JobFailed")],
    ["reject a message", disposition("suspended", "DispatchRejected")],
    [undefined, { operation: "com.microsoft:schedule-message", body: {} }],
  ])("is recognised: %s", (edge, call) => {
    expect(busEdge({ entity: "thumbnails", ...call })).toBe(edge);
  });

  it.each<[edge: Edge | undefined, call: { operation: string; body: unknown }]>([
    ["defer a letter", disposition("defered")],
    ["complete a letter", disposition("completed")],
    ["abandon a letter", disposition("abandoned")],
    [undefined, disposition("suspended", "JobFailed")],
    ["peek at a message", { operation: "com.microsoft:peek-message", body: { "message-count": 1 } }],
    ["receive a deferred message", receive(7)],
  ])("to a dead letter queue is recognised: %s", (edge, call) => {
    expect(busEdge({ entity: "Thumbnails/$DeadLetterQueue", ...call })).toBe(edge);
  });
});

it.each<[edge: Edge | undefined, kind: Disposition["kind"]]>([
  ["defer a delivery", "defer"],
  ["complete a delivery", "complete"],
  ["dead-letter a delivery", "deadLetter"],
  // The host abandons a message whose function threw.
  [undefined, "abandon"],
  [undefined, "release"],
])("a settlement on a link is recognised: %s", (edge, kind) => {
  expect(settlementEdge({ kind })).toBe(edge);
});

it.each<[edge: Edge | undefined, path: string, token: string]>([
  ["have the host defer", "/Settlement/Defer", "0b1e6d0c-3d6f-4f0e-9a52-0d6c1f1c1a11"],
  ["have the host dead-letter", "/Settlement/Deadletter", "0b1e6d0c-3d6f-4f0e-9a52-0d6c1f1c1a11"],
  ["have the host complete", "/Settlement/Complete", "0b1e6d0c-3d6f-4f0e-9a52-0d6c1f1c1a11"],
  ["look for the host's settlements", "/Settlement/Complete", "00000000-0000-0000-0000-000000000000"],
  // The host itself abandons what a function throws at.
  [undefined, "/Settlement/Abandon", "0b1e6d0c-3d6f-4f0e-9a52-0d6c1f1c1a11"],
])("a call to the host is recognised: %s", (edge, path, lockToken) => {
  expect(settlementCallEdge({ path, request: settlementRequest({ lockToken }) })).toBe(edge);
});

it("demands faults on 71 calls", () => {
  expect(DEMANDED_EDGES).toHaveLength(71);
});
