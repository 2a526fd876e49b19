import { expect, it } from "vitest";
import { bytesOfWhole, less, nameOf, per, withoutWhole } from "../../bench/cluster/counted-api.ts";
import { Settlements } from "../../bench/cluster/settlements.ts";

const JOBS = "/apis/batch/v1/namespaces/n/jobs";
const PODS = "/api/v1/namespaces/n/pods";

it.each([
  ["POST", JOBS, "POST jobs"],
  ["PATCH", `${JOBS}/j`, "PATCH jobs"],
  ["GET", `${JOBS}/j?includeObject=Metadata`, "GET jobs"],
  ["GET", `${JOBS}?limit=500&labelSelector=a%3Db`, "LIST jobs"],
  ["GET", `${JOBS}?watch=true&labelSelector=a%3Db`, "WATCH jobs"],
  ["GET", `${PODS}?limit=500`, "LIST pods"],
  ["GET", `${PODS}?labelSelector=batch.kubernetes.io%2Fjob-name%3Dj`, "LIST pods of a Job"],
  ["GET", `${PODS}/p/log?container=worker`, "GET pods/log"],
  ["GET", "/version", "GET /version"],
  ["GET", "/api/v1/namespaces/n", "GET /api/v1/namespaces/n"],
])("%s %s counts as %s", (method, url, name) => {
  expect(nameOf(method, url)).toBe(name);
});

it("what lists and watches everything is counted apart from what single messages ask for", () => {
  const before = new Map([["LIST jobs", { requests: 1, bytes: 100 }]]);
  const after = new Map([
    ["LIST jobs", { requests: 3, bytes: 500 }],
    ["WATCH jobs", { requests: 0, bytes: 60 }],
    ["LIST pods of a Job", { requests: 2, bytes: 30 }],
    ["LIST events", { requests: 0, bytes: 0 }],
  ]);
  const each = per(less(after, before), 2);
  expect(bytesOfWhole(each)).toBe(230);
  expect(withoutWhole(each)).toEqual(new Map([["LIST pods of a Job", { requests: 1, bytes: 15 }]]));
});

it("a message is settled so long after its Job's container has exited, and after its Job has finished", () => {
  const settlements = new Settlements();
  const event = (...cells: unknown[]) => JSON.stringify({ type: "MODIFIED", object: { rows: [{ cells }] } });
  settlements.takeLine(JSON.stringify({ message: "started a job", messageId: "m", jobName: "quick-1" }));
  settlements.takePodEvent(event("quick-1-x7k2p", "1/1", "Running"));
  expect(settlements.latenciesMs()).toEqual({ sinceFinished: [], sinceExited: [] });
  settlements.takePodEvent(event("quick-1-x7k2p", "0/1", "Completed"));
  settlements.takeEvent(event("quick-1", "Complete"));
  settlements.takeLine(JSON.stringify({ message: "closed a run", messageId: "m" }));
  const { sinceFinished, sinceExited } = settlements.latenciesMs();
  expect(sinceFinished[0]).toBeGreaterThanOrEqual(0);
  expect(sinceExited[0]).toBeGreaterThanOrEqual(sinceFinished[0] ?? Number.NaN);
});
