import type { Problem } from "../shared/api/problem.ts";

// The page asks only its own server. The one of `dispatcher ui` wants the token that came in the fragment of the address.
// Where a proxy logs people in, the page has none, and the proxy sends its own.

const API = "/api/v1";
const TOKEN = "dispatcher-token";
const TOKENS = "dispatcher-tokens";
const ASKED = "asked";
const TIMEOUT_MS = 30_000;
/** The server ends an audit by itself after four minutes. */
const AUDIT_TIMEOUT_MS = 5 * 60_000;
/** How long another tab may take to hand the token over. */
const TAB_TIMEOUT_MS = 300;

let token = "";
/** The tokens that the server did not take. It was started anew since they were given. */
const refused = new Set<unknown>();

/** Whether a token stands in the address, and not the name of a part of the page. */
function isTokenGiven(): boolean {
  return location.hash.length > 20;
}

/**
 * Takes the token out of the address, so that no copied link has it. A reload finds it in this tab's storage. A new tab
 * has none, and asks the others once it is needed.
 */
export function findToken(): void {
  keep(isTokenGiven() ? location.hash.slice(1) : (sessionStorage.getItem(TOKEN) ?? ""));
  if (isTokenGiven()) history.replaceState(null, "", location.pathname + location.search);
  // A browser does not load the page anew if it stands at the address into which a person pastes a token.
  addEventListener("hashchange", () => {
    if (isTokenGiven()) location.reload();
  });
  const tabs = new BroadcastChannel(TOKENS);
  tabs.addEventListener("message", ({ data }) => {
    if (data === ASKED && token !== "") tell(tabs, { token });
  });
}

function keep(found: string): void {
  token = found;
  sessionStorage.setItem(TOKEN, token);
}

/** Resolves to the token of another tab that was not refused; to nothing, if none has one. */
async function tokenOfAnotherTab(): Promise<string> {
  const tabs = new BroadcastChannel(TOKENS);
  return new Promise((resolve) => {
    const answer = (found: string) => {
      tabs.close();
      resolve(found);
    };
    tabs.addEventListener("message", ({ data }) => {
      if (typeof data?.token === "string" && !refused.has(data.token)) answer(data.token);
    });
    setTimeout(() => answer(""), TAB_TIMEOUT_MS);
    tell(tabs, ASKED);
  });
}

/** Tells the other tabs of this very origin. */
function tell(tabs: BroadcastChannel, what: unknown): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- A channel has no other origins.
  tabs.postMessage(what);
}

/** An answer, or why there is none. */
export type Answered<Data> =
  | { readonly data: Data; readonly etag: string | undefined }
  /** What the page has is still right. */
  | { readonly unchanged: true }
  | { readonly problem: Problem };

/** Asks for something. `etag`: what the page has of it already. */
export async function ask<Data>(path: string, etag?: string): Promise<Answered<Data>> {
  return send<Data>(path, { headers: etag === undefined ? {} : { "if-none-match": etag } });
}

/** Takes an action. */
export async function act<Data>(path: string, body: object): Promise<Answered<Data>> {
  return send<Data>(path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-dispatcher": "page" },
    body: JSON.stringify(body),
  });
}

async function send<Data>(path: string, init: RequestInit): Promise<Answered<Data>> {
  const sent = token;
  try {
    const response = await request(path, init);
    if (response.status === 304) return { unchanged: true };
    const value = await response.json();
    if (response.ok) return { data: value, etag: response.headers.get("etag") ?? undefined };
    if (isLocked(value)) {
      refused.add(sent);
      // Another request may have found one meanwhile.
      if (token === sent) keep("");
      if (token === "") keep(await tokenOfAnotherTab());
      if (token !== "") return await send(path, init);
    }
    // What a proxy answers is no problem of ours.
    return { problem: typeof value?.detail === "string" ? value : refusedByProxy(response.status) };
  } catch (error) {
    return { problem: error instanceof DOMException && error.name === "TimeoutError" ? SLOW : AWAY };
  }
}

function request(path: string, init: RequestInit): Promise<Response> {
  return fetch(API + path, {
    ...init,
    headers: { ...init.headers, ...(token === "" ? {} : { authorization: `Bearer ${token}` }) },
    cache: "no-store",
    ...(init.method === "POST"
      ? {}
      : { signal: AbortSignal.timeout(path === "/audit" ? AUDIT_TIMEOUT_MS : TIMEOUT_MS) }),
  });
}

/** Whether this is a service that the server of `dispatcher ui` can't reach: it may have moved since that was started. */
export function mayHaveMoved({ type }: Pick<Problem, "type">): boolean {
  return token !== "" && type === "urn:dispatcher:problem:unavailable";
}

/** Whether the server is that of `dispatcher ui`, and wants its token. */
export function isLocked(problem: Pick<Problem, "type"> | undefined): boolean {
  return problem?.type === "urn:dispatcher:problem:no-token";
}

const AWAY: Problem = {
  type: "urn:dispatcher:problem:away",
  title: "The page's server does not answer",
  status: 0,
  detail: "What is shown is what it said last. Load the page again, or start its server again with: dispatcher ui",
};

const SLOW: Problem = {
  ...AWAY,
  title: "The page's server takes too long",
  detail: "What is shown is what it said last.",
};

function refusedByProxy(status: number): Problem {
  const detail =
    status === 401 ? "Your login is over. Load the page again." : "Something between you and the Dispatcher said so.";
  return { type: "urn:dispatcher:problem:proxy", title: `This was refused (${status})`, status, detail };
}

/** Writes an address of the API with its query. What is undefined or empty is left out. */
export function withQuery(path: string, query: Readonly<Record<string, string | number | undefined>>): string {
  const entries = Object.entries(query).flatMap(([name, value]): [string, string][] =>
    value === undefined || value === "" ? [] : [[name, String(value)]],
  );
  const text = new URLSearchParams(entries).toString();
  return text === "" ? path : `${path}?${text}`;
}
