import { createHash } from "node:crypto";
import { ConfigError, ConflictError, errorText, UnavailableError, WrongQueryError } from "../errors.ts";
import type { Log } from "../log.ts";
import { isRecord } from "../plain-data.ts";
import { type Caller, isAtLeast } from "./caller.ts";
import { openApi } from "./open-api.ts";
import { type Problem, ProblemError, problem } from "./problem.ts";
import type { Room } from "./route.ts";
import { ROUTES, routesAt } from "./routes.ts";

/** A request, as any server has it. */
export interface ApiRequest {
  readonly method: string;
  /** Below `/api/v1`, still encoded, such as `/runs/a%2Fb`. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Gives the value of a header by its name in lower case. */
  header(name: string): string | undefined;
  /** Reads the whole body as text. Rejects with a ProblemError if it is too large. */
  body(): Promise<string>;
}

/** What is answered. Without a body if the one that the client has is still right. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export const API = "/api/v1";
/** The header without which nothing is changed. No form can set it, and no other site without being asked first. */
const CHANGE_HEADER = "x-dispatcher";

/** Nobody keeps an answer, and no browser takes it for anything but JSON. */
const HEADERS = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "cross-origin-resource-policy": "same-origin",
};

/**
 * Answers one request. Never rejects: what is wrong with the request, and what can't be asked just now, is a problem as
 * RFC 9457 has it. A mistake of ours is one too, and `log` gets its stack. A GET changes nothing. A POST that changes
 * something is a request of JSON with a header of its own, which no other site made.
 */
export async function answer(room: Room, caller: Caller, request: ApiRequest, log: Log): Promise<ApiAnswer> {
  try {
    return await answered(room, caller, request);
  } catch (error) {
    return failure(error, request, log);
  }
}

/** Answers with what is wrong. If it is a mistake of ours, `log` gets its stack. */
export function failure(error: unknown, request: Pick<ApiRequest, "method" | "path">, log: Log): ApiAnswer {
  return problemAnswer(problemOf(error, request, log));
}

/** Writes a problem as an answer. */
export function problemAnswer(what: Problem, headers: Readonly<Record<string, string>> = {}): ApiAnswer {
  return {
    status: what.status,
    headers: {
      ...HEADERS,
      "content-type": "application/problem+json",
      ...(what.status === 401 ? { "www-authenticate": "Bearer" } : {}),
      ...headers,
    },
    body: JSON.stringify(what),
  };
}

async function answered(room: Room, caller: Caller, request: ApiRequest): Promise<ApiAnswer> {
  if (request.path === "/openapi.json" && request.method === "GET") return jsonAnswer(openApi(ROUTES, room), request);
  const matches = routesAt(request.path);
  if (matches.length === 0) throw new ProblemError("not-found", "There is no such address. See GET /openapi.json.");
  const match = matches.find(({ route }) => route.method === request.method);
  if (!match) {
    const allow = [...new Set(matches.map(({ route }) => route.method))].join(", ");
    return problemAnswer(problem("wrong-method", `Use ${allow}.`), { allow });
  }
  const { route, path } = match;
  if (!isAtLeast(caller.role, route.role))
    throw new ProblemError("not-allowed", `This takes the role ${route.role}, and yours is ${caller.role}.`);
  const query = Object.fromEntries(request.query);
  if (route.method === "GET") {
    refuseOtherPages(request);
    return jsonAnswer(await route.act(room, caller, { path, query, body: undefined }), request);
  }
  refuseOtherSites(request, caller);
  const body = await jsonIn(request);
  refuseChanges(room, body);
  return jsonAnswer(await route.act(room, caller, { path, query, body }), request);
}

/** The page itself, or somebody who typed the address. A browser says so, and no site can make it say otherwise. */
const OWN_SITES: ReadonlySet<string> = new Set(["same-origin", "none"]);

/** Another site's page may name an address of ours as a picture, which it can't read, but which costs a look. */
function refuseOtherPages(request: ApiRequest): void {
  if (!OWN_SITES.has(request.header("sec-fetch-site") ?? "none"))
    throw new ProblemError("other-site", "Another site may not ask this.");
}

function refuseOtherSites(request: ApiRequest, { hasToken }: Caller): void {
  const site = request.header("sec-fetch-site");
  const isOwn = site === undefined ? hasToken : OWN_SITES.has(site);
  if (!isOwn)
    throw new ProblemError(
      "other-site",
      "Only this server's own page may act, of which a browser tells at localhost and over https (Sec-Fetch-Site).",
    );
  if (request.header(CHANGE_HEADER) === undefined)
    throw new ProblemError("other-site", "An action needs the header X-Dispatcher, with any value.");
}

function refuseChanges({ mayChange }: Room, body: unknown): void {
  const isDry = isRecord(body) && body["dryRun"] === true;
  if (!mayChange && !isDry)
    throw new ProblemError(
      "read-only",
      "Nothing may be changed here. A dry run (dryRun: true) says what would be done.",
    );
}

async function jsonIn(request: ApiRequest): Promise<unknown> {
  const type = request.header("content-type") ?? "";
  if (!/^application\/json\s*(;|$)/i.test(type))
    throw new ProblemError("not-json", "Send the action as JSON, with content-type: application/json.");
  const text = await request.body();
  try {
    return JSON.parse(text);
  } catch {
    throw new ProblemError("wrong-input", "Mend the body: it is no JSON.");
  }
}

function jsonAnswer(value: unknown, request: ApiRequest): ApiAnswer {
  const body = JSON.stringify(value);
  const headers = { ...HEADERS, "content-type": "application/json" };
  if (request.method !== "GET") return { status: 200, headers, body };
  const etag = etagOf(value, body);
  const known = (request.header("if-none-match") ?? "").split(",").map((one) => one.trim());
  if (known.includes(etag)) return { status: 304, headers: { ...HEADERS, etag } };
  return { status: 200, headers: { ...headers, etag }, body };
}

/** Names what an answer says. When it was read does not count, because else no two would be the same. */
function etagOf(value: unknown, body: string): string {
  const isTimed = isRecord(value) && typeof value["at"] === "number";
  const timeless = { ...(isTimed ? value : {}), at: undefined };
  const said = isTimed
    ? JSON.stringify(timeless, (name, part: unknown) => (name === "ageMs" ? undefined : part))
    : body;
  return `W/"${createHash("sha256").update(said).digest("base64url").slice(0, 22)}"`;
}

function problemOf(error: unknown, { method, path }: Pick<ApiRequest, "method" | "path">, log: Log): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof WrongQueryError) return problem("wrong-input", `Mend the request: ${error.message}.`);
  if (error instanceof UnavailableError) return problem("unavailable", errorText(error));
  if (error instanceof ConflictError) return problem("conflict", "Another was first. Look again.");
  if (error instanceof ConfigError) return problem("unavailable", errorText(error));
  log.error("could not answer a request", { method, path, error: stackOf(error) });
  return problem("our-mistake", "The Dispatcher could not answer this. Its log has the reason.");
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
