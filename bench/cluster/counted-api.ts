import { rm, writeFile } from "node:fs/promises";
import { makeCertificate } from "../../local/cluster/certificate.ts";
import { kubeconfigText } from "../../local/cluster/kubeconfig.ts";
import { readAccess } from "../../local/kit/cluster-access.ts";
import { startHttpProxy } from "../../local/kit/http-proxy.ts";

/** What a program asked the API server for, by verb and resource, such as `GET pods/log`. */
export type ApiUse = ReadonlyMap<string, Use>;

interface Use {
  readonly requests: number;
  /** The bytes of the answers' bodies that have come so far. */
  readonly bytes: number;
}

const NONE: Use = { requests: 0, bytes: 0 };

/** What lists and watches everything. A list of one Job's pods has another name. */
const WHOLE = ["LIST jobs", "LIST pods", "WATCH jobs", "WATCH pods"];

/** The API server behind a proxy that counts. */
export interface CountedApi {
  /** The path of a kubeconfig that leads through the proxy. */
  readonly kubeconfig: string;
  use(): ApiUse;
  close(): Promise<void>;
}

/** Puts a counting proxy before the API server of a kubeconfig, and writes one beside it that leads there. */
export async function countApi(kubeconfig: string): Promise<CountedApi> {
  const access = await readAccess(kubeconfig);
  const certificate = await makeCertificate();
  let counts: ApiUse = new Map();
  const add = (asked: string, requests: number, bytes: number) => {
    const before = counts.get(asked) ?? NONE;
    counts = new Map(counts).set(asked, { requests: before.requests + requests, bytes: before.bytes + bytes });
  };
  // Node's servers close a connection that rests for 5 s, and a request that is on its way then fails. The API server
  // leaves it open.
  const target = { target: access.server, ca: access.ca, certificate, idleMs: 600_000 };
  const proxy = await startHttpProxy(target, async ({ method, url, response, ask, pass }) => {
    const asked = nameOf(method, url);
    add(asked, 1, 0);
    const answer = await ask();
    const passed = pass(answer);
    // The answer to a watch begins at once, but its first event may be long in coming.
    response.flushHeaders();
    answer.on("data", (bytes: Buffer) => add(asked, 0, bytes.length));
    await passed;
  });
  const file = `${kubeconfig}-counted`;
  const server = `https://127.0.0.1:${proxy.port}`;
  const text = kubeconfigText({ name: "bench", ...access, server, ca: certificate.cert });
  await rm(file, { force: true });
  await writeFile(file, text, { mode: 0o600, flag: "wx" });
  return { kubeconfig: file, use: () => counts, close: () => proxy.close() };
}

/** Names a request by its verb and resource. */
export function nameOf(method: string, url: string): string {
  const { pathname, searchParams: query } = new URL(url, "https://127.0.0.1");
  const [, resource = pathname, object, part] =
    /\/namespaces\/[^/]+\/(\w+)(?:\/([^/]+))?(?:\/(\w+))?$/.exec(pathname) ?? [];
  const what = part === undefined ? resource : `${resource}/${part}`;
  if (method !== "GET" || object !== undefined || resource === pathname) return `${method} ${what}`;
  if (query.has("watch")) return `WATCH ${what}`;
  return query.get("labelSelector")?.includes("job-name=") === true ? `LIST ${what} of a Job` : `LIST ${what}`;
}

/** Subtracts an earlier use. */
export function less(use: ApiUse, earlier: ApiUse): ApiUse {
  return new Map(
    [...use].map(([asked, { requests, bytes }]) => {
      const before = earlier.get(asked) ?? NONE;
      return [asked, { requests: requests - before.requests, bytes: bytes - before.bytes }];
    }),
  );
}

/** Divides the use by so many messages or minutes. It leaves out what was never asked for. */
export function per(use: ApiUse, things: number): ApiUse {
  return new Map(
    [...use]
      .filter(([, { requests, bytes }]) => requests > 0 || bytes > 0)
      .map(([asked, { requests, bytes }]) => [asked, { requests: requests / things, bytes: bytes / things }]),
  );
}

/** Leaves out what lists and watches everything, so that what is asked for single messages is left. */
export function withoutWhole(use: ApiUse): ApiUse {
  return new Map([...use].filter(([asked]) => !WHOLE.includes(asked)));
}

/** Counts the lists of all pods so far. A tick that lists has at least one, and a light one has none. */
export function podLists(use: ApiUse): number {
  return use.get("LIST pods")?.requests ?? 0;
}

/** Adds up the bytes of what lists and watches everything. */
export function bytesOfWhole(use: ApiUse): number {
  return WHOLE.reduce((sum, asked) => sum + (use.get(asked)?.bytes ?? 0), 0);
}
