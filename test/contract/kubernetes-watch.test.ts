import type { ServerResponse } from "node:http";
import { expect, test } from "vitest";
import { UnavailableError } from "../../shared/errors.ts";
import type { JobNews, PodNews } from "../../shared/ports/job-cluster.ts";
import { clusterAt } from "../support/cluster-at.ts";
import { startLoopbackServer } from "../support/loopback-server.ts";

const COLUMNS = [{ name: "Name" }, { name: "Completions" }, { name: "Status" }];

/** One line of a watch, as a real server sends it. `columns`: as in the first event. */
function event(type: string, name: string, status: string, version: string, columns: unknown = null): string {
  const rows = [{ cells: [name, "0/1", status], object: null }];
  const object = { kind: "Table", metadata: { resourceVersion: version }, columnDefinitions: columns, rows };
  return `${JSON.stringify({ type, object })}\n`;
}

const FIRST = event("MODIFIED", "job-1", "Complete", "11", COLUMNS);

/** Watches a server that answers so. Resolves to what was told, and to the error that ended the watch. */
async function watched(answer: (response: ServerResponse) => void, seconds = 1) {
  const server = await startLoopbackServer(({ url }, response) => {
    expect(new URL(url ?? "", "http://a").searchParams.get("resourceVersion")).toBe("10");
    response.writeHead(200, { "content-type": "application/json" });
    answer(response);
  });
  const told: JobNews[] = [];
  try {
    const limits = { seconds, signal: AbortSignal.timeout(20_000) };
    for await (const news of clusterAt(server).watchJobs("10", limits)) told.push(news);
    return { told };
  } catch (error) {
    return { told, error };
  }
}

test("keeps the columns of the first event, and passes over all but ends and unknown words", async () => {
  const { told, error } = await watched((response) =>
    response.end(
      [
        FIRST,
        event("ADDED", "job-2", "Running", "12"),
        event("MODIFIED", "job-3", "Failed", "13"),
        event("MODIFIED", "job-4", "Suspended", "14"),
        event("DELETED", "job-1", "Complete", "15"),
        event("DELETED", "job-2", "Running", "16"),
        event("MODIFIED", "job-5", "Dreaming", "17"),
        event("BOOKMARK", "", "Running", "18"),
      ].join(""),
    ),
  );
  expect(error).toBeUndefined();
  expect(told.map(({ version }) => version)).toEqual(["11", "12", "13", "14", "15", "16", "17", "18"]);
  expect(told.flatMap(({ job }) => job ?? [])).toEqual([
    { name: "job-1", state: "complete" },
    { name: "job-3", state: "failed" },
    { name: "job-5", state: "active", unknownStatus: "Dreaming" },
  ]);
});

test("puts an event together that comes in pieces", async () => {
  const { told } = await watched((response) => {
    const half = FIRST.length / 2;
    response.write(FIRST.slice(0, half));
    setTimeout(() => response.end(FIRST.slice(half)), 50);
  });
  expect(told).toEqual([{ version: "11", job: { name: "job-1", state: "complete" } }]);
});

/** Each tells of one Job, and then breaks. */
const BREAKS: { readonly name: string; readonly answer: (response: ServerResponse) => void; readonly why: RegExp }[] = [
  {
    name: "is cut in the middle of a line",
    answer: (response) => response.write(`${FIRST}{"type":"MOD`, () => response.destroy()),
    why: /watching Jobs: the connection broke/,
  },
  {
    name: "ends properly in the middle of a line, as a proxy ends it",
    answer: (response) => response.end(`${FIRST}{"type":"MOD`),
    why: /ended in the middle of a line: \{"type":"MOD/,
  },
  {
    name: "tells that the version is forgotten",
    answer: (response) =>
      response.end(
        `${FIRST}${JSON.stringify({
          type: "ERROR",
          object: { kind: "Status", code: 410, reason: "Expired", message: "too old resource version: 10 (99)" },
        })}\n`,
      ),
    why: /watching Jobs. It answered 410 Expired: too old resource version/,
  },
  {
    name: "becomes a proxy's page",
    answer: (response) => response.end(`${FIRST}<html>time-out</html>\n`),
    why: /something other than an event of a watch: <html>/,
  },
  {
    name: "tells of an object without columns",
    answer: (response) => response.end(`${FIRST}{"type":"MODIFIED","object":{"kind":"Pod"}}\n`),
    why: /other than a table \(kind "Pod"\)/,
  },
  {
    name: "goes on without the end of a line, as a proxy of another protocol does",
    answer: (response) => {
      response.write(FIRST);
      response.write("x".repeat(2 * 1024 * 1024));
    },
    why: /it sent a line without an end: x+\.\.\./,
  },
  {
    name: "stays silent past its end",
    answer: (response) => response.write(FIRST),
    why: /it sent nothing for 6000 ms/,
  },
];

for (const { name, answer, why } of BREAKS) {
  test(`tells what it heard, and then that only a list helps, if it ${name}`, { timeout: 20_000 }, async () => {
    const { told, error } = await watched(answer);
    expect(told).toHaveLength(1);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(String(error)).toMatch(why);
  });
}

test("names the right that is missing", async () => {
  const server = await startLoopbackServer((_, response) => {
    const message = 'jobs.batch is forbidden: User "d" cannot watch resource "jobs" in API group "batch"';
    response.writeHead(403, { "content-type": "application/json" });
    response.end(JSON.stringify({ kind: "Status", code: 403, reason: "Forbidden", message }));
  });
  const watch = clusterAt(server).watchJobs("10", { seconds: 1, signal: AbortSignal.timeout(5_000) });
  await expect(watch[Symbol.asyncIterator]().next()).rejects.toThrow(/cannot watch.*lacks this right/);
});

test("tells of a pod when it succeeds, and passes over what comes after", async () => {
  const columns = [{ name: "Name" }, { name: "Ready" }, { name: "Status" }];
  let asked: URLSearchParams | undefined;
  const server = await startLoopbackServer(({ url }, response) => {
    asked = new URL(url ?? "", "http://a").searchParams;
    response.writeHead(200, { "content-type": "application/json" });
    response.end(
      [
        event("ADDED", "job-1-abcde", "Completed", "11", columns),
        event("MODIFIED", "job-1-abcde", "Completed", "12"),
        event("BOOKMARK", "", "", "13"),
        event("DELETED", "job-1-abcde", "Completed", "14"),
        event("ADDED", "job-2-fghij", "Completed", "15"),
      ].join(""),
    );
  });
  const told: PodNews[] = [];
  const limits = { seconds: 1, signal: AbortSignal.timeout(20_000) };
  for await (const news of clusterAt(server).watchPods("10", limits)) told.push(news);
  expect(told).toEqual([
    { version: "11", jobName: "job-1" },
    { version: "12" },
    { version: "13" },
    { version: "14" },
    { version: "15", jobName: "job-2" },
  ]);
  expect(asked?.get("fieldSelector")).toBe("status.phase=Succeeded");
  expect(asked?.get("resourceVersion")).toBe("10");
});
