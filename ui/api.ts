import type { Problem } from "../shared/api/problem.ts";

// The page asks only its own server. The one of `dispatcher ui` wants the token that came in the fragment of the address.
// Where a proxy logs people in, the page has none, and the proxy sends its own.

const API = "/api/v1";
const TOKEN = "dispatcher-token";
const TOKENS = "dispatcher-tokens";
const ASKED = "asked";
const BROWSER_TIMEOUT_MS = 30_000;
/** How long another tab may take to hand the token over. */
const TAB_TIMEOUT_MS = 300;

let token = "";

/**
 * Takes the token out of the address, so that no copied link has it. A reload finds it in this tab's storage. A new tab
 * has none, and asks the others once it is needed.
 */
export function findToken(): void {
  const given = location.hash.slice(1);
  if (given !== "") history.replaceState(null, "", location.pathname + location.search);
  keep(given === "" ? (sessionStorage.getItem(TOKEN) ?? "") : given);
}

/** Keeps a token in this tab, and hands it to others that ask. */
function keep(found: string): void {
  if (found === "") return;
  token = found;
  sessionStorage.setItem(TOKEN, token);
  const tabs = new BroadcastChannel(TOKENS);
  tabs.addEventListener("message", ({ data }) => {
    if (data === ASKED) tell(tabs, { token });
  });
}

async function tokenOfAnotherTab(): Promise<string> {
  const tabs = new BroadcastChannel(TOKENS);
  return new Promise((resolve) => {
    const answer = (found: string) => {
      tabs.close();
      resolve(found);
    };
    tabs.addEventListener("message", ({ data }) => {
      if (typeof data?.token === "string") answer(data.token);
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
  try {
    const response = await request(path, init);
    if (response.status === 304) return { unchanged: true };
    const value = await response.json();
    if (response.ok) return { data: value, etag: response.headers.get("etag") ?? undefined };
    if (isLocked(value) && token === "") {
      keep(await tokenOfAnotherTab());
      if (token !== "") return await send(path, init);
    }
    // What a proxy answers is no problem of ours.
    return { problem: typeof value?.detail === "string" ? value : refusedByProxy(response.status) };
  } catch {
    return { problem: AWAY };
  }
}

function request(path: string, init: RequestInit): Promise<Response> {
  return fetch(API + path, {
    ...init,
    headers: { ...init.headers, ...(token === "" ? {} : { authorization: `Bearer ${token}` }) },
    cache: "no-store",
    ...(init.method === "POST" ? {} : { signal: AbortSignal.timeout(BROWSER_TIMEOUT_MS) }),
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
