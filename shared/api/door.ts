import type { Log } from "../log.ts";
import { API, type ApiAnswer, type ApiRequest, answer, failure, problemAnswer } from "./answer.ts";
import type { Caller } from "./caller.ts";
import type { PageFile } from "./page-files.ts";
import { ProblemError, problem } from "./problem.ts";
import type { Room } from "./route.ts";

// Everything that is the same at each door of page and API: at the one that `dispatcher ui` opens on a desk, and at the
// one of the app in a cluster. A door differs in its own names and in how it knows who asks.

/** Where the page is. Everything below it is a view of the page. */
export const PAGE = "/api/ui/";
/** The largest action is a list of a thousand ids. */
export const MOST_BODY_BYTES = 2 * 1024 * 1024;

/**
 * What the browser lets the page do: load its own files and ask its own server, and nothing else. So text that was taken
 * for a script would not run, and could send nothing away.
 */
const PAGE_HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  "cache-control": "no-cache",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/** A request for the page or the API, as any server has it. */
export interface WebRequest {
  readonly method: string;
  /** Still encoded, such as `/api/v1/runs/a%2Fb`. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The values of the headers by their names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** Reads the whole body as text. May reject with the ProblemError of `tooLarge`, so as not to read on. */
  body(): Promise<string>;
}

/** An answer of the page or the API. */
export type WebAnswer = Omit<ApiAnswer, "body"> & { readonly body?: string | Buffer };

/** A way in to page and API. */
export interface Door {
  /**
   * Gives the origin of this door if a request has such a Host, such as `http://127.0.0.1:7080`. Throws a ProblemError
   * if the Host is none of its names, because a site whose name is made to mean this server could else read what it
   * answers.
   */
  originOf(host: string): string;
  /** Says who sent a request to the API. Rejects with a ProblemError if that person may ask nothing. */
  callerOf(request: WebRequest): Promise<Caller>;
  /** Gives the Dispatcher as it is now. */
  room(): Promise<Room>;
  /** The files of the page by their names. */
  readonly page: ReadonlyMap<string, PageFile>;
}

/** Answers a request at a door. Never rejects. `log` gets the stack of a mistake of ours. */
export async function respond(door: Door, request: WebRequest, log: Log): Promise<WebAnswer> {
  const { method, path, headers, query } = request;
  const asked: ApiRequest = {
    method,
    path: path.slice(API.length),
    query,
    header: (name) => headers.get(name),
    async body() {
      const text = await request.body();
      if (Buffer.byteLength(text) > MOST_BODY_BYTES) throw tooLarge();
      return text;
    },
  };
  const make = async () => {
    refuseOthers(door, headers);
    if (path === API || path.startsWith(`${API}/`)) {
      const caller = await door.callerOf(request);
      return answer(await door.room(), caller, asked, log);
    }
    if (method !== "GET" && method !== "HEAD")
      return problemAnswer(problem("wrong-method", "Use GET."), { allow: "GET" });
    return pageAnswer(door, path);
  };
  return make().catch((error: unknown) => failure(error, asked, log));
}

/** The problem of a body that is over MOST_BODY_BYTES. */
export function tooLarge(): ProblemError {
  return new ProblemError("too-large", `Send ${MOST_BODY_BYTES} bytes at most.`);
}

/** Reads the token of `authorization: Bearer TOKEN`. Empty if there is none. */
export function bearerOf(headers: WebRequest["headers"]): string {
  return /^Bearer (.+)$/i.exec(headers.get("authorization") ?? "")?.[1] ?? "";
}

function refuseOthers(door: Door, headers: WebRequest["headers"]): void {
  const own = door.originOf((headers.get("host") ?? "").toLowerCase());
  const origin = headers.get("origin");
  if (origin !== undefined && origin.toLowerCase() !== own)
    throw new ProblemError("other-site", "Another site may not ask this.");
}

/** Every address below the page is one of its views, so that it can be opened and kept. */
function pageAnswer({ page }: Door, path: string): WebAnswer {
  if (path === "/" || path === PAGE.slice(0, -1)) return { status: 302, headers: { ...PAGE_HEADERS, location: PAGE } };
  if (!path.startsWith(PAGE)) return problemAnswer(problem("not-found", `The page is at ${PAGE}.`));
  const file = page.get(path.slice(PAGE.length)) ?? page.get("index.html");
  if (!file) throw new Error("the page has no index.html");
  return { status: 200, headers: { ...PAGE_HEADERS, "content-type": file.type }, body: file.content };
}
