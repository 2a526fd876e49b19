import type { AgentOptions, RequestOptions } from "node:https";
import { HttpMethod, type KubeConfig, RequestContext } from "@kubernetes/client-node";
import { Agent, type buildConnector, type Dispatcher, request as sendRequest } from "undici";
import { errorText } from "../../errors.ts";
import { excerpt, isOverload, KubernetesFailure, NoAnswerError, readWarnings } from "./answer.ts";

/** One request to the API server. The body of a PATCH is a merge patch. */
interface PlainRequest {
  readonly method: "GET" | "POST" | "PATCH";
  /** The path below the server, query included. */
  readonly path: string;
  readonly accept?: string;
  readonly body?: unknown;
}

/**
 * Sends authenticated requests to one API server. Each has a time-out, as its credentials have. It is sent once, and
 * not before the time has passed that an overloaded server asked for. We don't use the library's typed clients, because
 * they drop fields that only a newer cluster knows, and load the models of the whole API.
 */
export interface KubernetesConnection {
  readonly server: string;
  /** Resolves to the answer's JSON. Throws KubernetesFailure or NoAnswerError. */
  json(request: PlainRequest): Promise<unknown>;
  /** Resolves to the answer's JSON and the server's warnings. Throws as `json` does. */
  exchange(request: PlainRequest): Promise<{ readonly json: unknown; readonly warnings: readonly string[] }>;
  /** Resolves to the last `maxBytes` of what the server streams. Throws KubernetesFailure or NoAnswerError. */
  tail(path: string, maxBytes: number): Promise<Uint8Array>;
  /**
   * Resolves, once the server's answer begins, to its lines as they come, until it ends or `signal` aborts it. Throws
   * KubernetesFailure or NoAnswerError, and the lines throw NoAnswerError if the connection breaks, or stays silent for
   * longer than `silenceMs`.
   */
  lines(
    request: Pick<PlainRequest, "path" | "accept">,
    limits: { readonly signal: AbortSignal; readonly silenceMs: number },
  ): Promise<AsyncIterable<string>>;
}

/** An answer of the server. A header that comes several times is one text, as with `fetch`. */
interface Answer {
  readonly code: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Dispatcher.ResponseData["body"];
}

/** What rests together once the server refuses one of them because it is overloaded. */
const KINDS = { GET: "reads", POST: "creates", PATCH: "changes" } as const;
type RequestKind = (typeof KINDS)[keyof typeof KINDS];

const MERGE_PATCH = "application/merge-patch+json";

/** The longest `Retry-After` that is obeyed. A header of hours would be an outage of its own. */
const MAX_REST_MS = 60_000;

/**
 * How long connections are kept. Certificates may be renewed while the process lives, so that old connections have to
 * end.
 */
const CONNECTIONS_LIFE_MS = 5 * 60 * 1000;

/**
 * How long a connection stays open that nobody uses. Messages come seconds apart, and to encrypt a new connection takes
 * longer than a request. The API server ends idle connections after 90 s, and most load balancers do so after 60 s or
 * more.
 */
const IDLE_CONNECTION_LIFE_MS = 30_000;

/**
 * How long credentials are used before the library is asked for them again. It reads files each time, and makes a pool
 * of connections. If a token ends within this time, the server may refuse one request, and the next tick asks again.
 */
const CREDENTIALS_LIFE_MS = 1_000;

/** What shows to the server who asks. */
interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  /** The connections that trust the server's certificate; undefined if its address needs no settings of TLS. */
  readonly dispatcher: Dispatcher | undefined;
}

/** Makes a connection to the current context's cluster. Sends no request yet. */
export function connect(
  kubeConfig: KubeConfig,
  options: { readonly timeoutMs: number; readonly userAgent: string },
): KubernetesConnection {
  const server = kubeConfig.getCurrentCluster()?.server.replace(/\/+$/, "") ?? "";
  const authenticate = makeAuthenticate(kubeConfig, server, options.timeoutMs);

  // What the server refused because it is overloaded is not sent again before the time that it asked for.
  const resting = new Map<RequestKind, { readonly until: number; readonly because: string }>();

  const send = async (
    { method, path, accept, body }: PlainRequest,
    credentials: Credentials,
    limits: { readonly signal: AbortSignal; readonly headersTimeout?: number; readonly bodyTimeout?: number } = {
      signal: AbortSignal.timeout(options.timeoutMs),
    },
  ): Promise<Answer> => {
    const { dispatcher } = credentials;
    const sent = sendRequest(server + path, {
      method,
      headers: {
        ...credentials.headers,
        "User-Agent": options.userAgent,
        ...(accept === undefined ? {} : { Accept: accept }),
        ...(body === undefined ? {} : { "Content-Type": method === "PATCH" ? MERGE_PATCH : "application/json" }),
      },
      ...limits,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(dispatcher === undefined ? {} : { dispatcher }),
    });
    const { statusCode: code, headers: given, body: content } = await answered(sent, options.timeoutMs);
    const headers = Object.fromEntries(
      Object.entries(given).map(([name, value = ""]) => [name, [value].flat().join(", ")]),
    );
    if (code >= 200 && code <= 299) return { code, headers, body: content };
    const text = await answered(content.text(), options.timeoutMs);
    const failure = new KubernetesFailure(code, text, headers);
    const { retryAfterMs = 0, reason = "", message } = failure;
    if (isOverload(failure)) {
      const restMs = Math.min(retryAfterMs, MAX_REST_MS);
      const end = new Date(Date.now() + restMs).toISOString();
      const because = `it is not asked again before ${end}, because it answered ${code} ${reason}: ${message}`;
      resting.set(KINDS[method], { until: performance.now() + restMs, because });
    }
    throw failure;
  };

  const keepRest = (kind: RequestKind): void => {
    const rest = resting.get(kind);
    // Never the failure itself: it was the answer to another request, and says nothing about this one.
    if (rest && performance.now() < rest.until) throw new NoAnswerError(rest.because);
  };

  const exchange: KubernetesConnection["exchange"] = async (request) => {
    const credentials = await authenticate();
    keepRest(KINDS[request.method]);
    const answer = await send({ accept: "application/json", ...request }, credentials);
    const text = await answered(answer.body.text(), options.timeoutMs);
    return { json: readJson(text, answer), warnings: readWarnings(answer.headers["warning"]) };
  };

  return {
    server,
    exchange,
    json: async (request) => (await exchange(request)).json,
    async tail(path, maxBytes) {
      // A log is asked for even while reads rest, because it is asked for once and its pod may be gone later.
      const { body } = await send({ method: "GET", path }, await authenticate());
      return answered(lastBytes(body, maxBytes), options.timeoutMs);
    },
    async lines({ path, accept = "application/json" }, { signal, silenceMs }) {
      const credentials = await authenticate();
      keepRest("reads");
      const limits = { signal, headersTimeout: options.timeoutMs, bodyTimeout: silenceMs };
      const { body } = await send({ method: "GET", path, accept }, credentials, limits);
      return linesOf(body, signal, silenceMs);
    },
  };
}

/**
 * Makes the function that gets the credentials of a request. A kubeconfig may name a command that gets them, such as
 * kubelogin, and the command may hang. While one hangs, no other is started. With TLS settings the library makes a new
 * connection pool each time; we keep one pool instead, so that requests share connections.
 */
function makeAuthenticate(kubeConfig: KubeConfig, server: string, timeoutMs: number): () => Promise<Credentials> {
  let hangs = false;
  let pool: { readonly dispatcher: Dispatcher | undefined; readonly madeAt: number } | undefined;
  let latest: { readonly credentials: Promise<Credentials>; readonly askedAt: number } | undefined;

  async function ask(): Promise<Credentials> {
    const applied = apply();
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        hangs = true;
        const ended = () => void (hangs = false);
        applied.then(ended, ended);
        reject(new Error(`its command did not end within ${timeoutMs} ms`));
      }, timeoutMs);
    });
    try {
      return await Promise.race([applied, timeout]);
    } catch (error) {
      latest = undefined;
      throw new NoAnswerError(`no credentials by the kubeconfig (${errorText(error)})`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks the library, whose only way to tell credentials is to put them on the options of a request. */
  async function apply(): Promise<Credentials> {
    const options: AgentOptions & RequestOptions = {};
    await kubeConfig.applyToHTTPSOptions(options);
    if (pool === undefined || performance.now() - pool.madeAt > CONNECTIONS_LIFE_MS) {
      const dispatcher = await connectionsOf(kubeConfig, server, options);
      // `close` waits for the requests that still use the pool.
      pool?.dispatcher?.close().catch(() => {});
      pool = { dispatcher, madeAt: performance.now() };
    }
    return { headers: headersOf(options), dispatcher: pool.dispatcher };
  }

  return async () => {
    if (hangs) throw new NoAnswerError("no credentials by the kubeconfig (its command still hangs)");
    const now = Date.now();
    if (latest === undefined || Math.abs(now - latest.askedAt) >= CREDENTIALS_LIFE_MS)
      latest = { credentials: ask(), askedAt: now };
    return latest.credentials;
  };
}

/**
 * Makes the pool of connections for requests with these options; undefined if the server's address needs no settings of
 * TLS. The library's own pool ends connections that were idle for 4 s, and is used only where a proxy is in the way.
 */
async function connectionsOf(
  kubeConfig: KubeConfig,
  server: string,
  options: AgentOptions & RequestOptions,
): Promise<Dispatcher | undefined> {
  const made = kubeConfig.createDispatcherOptions(kubeConfig.getCurrentCluster(), options);
  if (made.type === "agent") {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Both are the options of `tls.connect`.
    const connect = made.connect as buildConnector.BuildOptions;
    return new Agent({ connect, keepAliveTimeout: IDLE_CONNECTION_LIFE_MS });
  }
  if (made.type === "none") return undefined;
  const request = new RequestContext(server, HttpMethod.GET);
  await kubeConfig.applySecurityAuthentication(request);
  return request.getDispatcher();
}

function headersOf({ headers = {}, auth }: RequestOptions): Record<string, string> {
  const basic = typeof auth === "string" ? { Authorization: `Basic ${Buffer.from(auth).toString("base64")}` } : {};
  return { ...basic, ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])) };
}

async function answered<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    const isTimeout = error instanceof Error && error.name === "TimeoutError";
    const why = isTimeout ? `no answer within ${timeoutMs} ms` : `no connection (${errorText(error)})`;
    throw new NoAnswerError(why, { cause: error });
  }
}

/**
 * Parses an answer. A proxy's page or half a document may come with status 200, and must not pass for an object of the
 * cluster.
 */
function readJson(text: string, { code, headers }: Answer): object {
  try {
    const value: unknown = JSON.parse(text);
    const type = headers["content-type"] ?? "";
    if (typeof value === "object" && value !== null && type.includes("json")) return value;
  } catch {
    // The error below shows what came instead.
  }
  throw new NoAnswerError(`it answered ${code} with something other than a whole JSON object: ${excerpt(text)}`);
}

/** The events that we ask for have some 300 bytes each. What sends no end of a line for as long is no API server. */
const LONGEST_LINE = 1024 * 1024;

/** Cuts a stream into lines. What comes behind the last line's end is half a line: the connection was cut. */
async function* linesOf(
  stream: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  silenceMs: number,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const chunk of stream) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
      if (rest.length > LONGEST_LINE) throw new NoAnswerError(`it sent a line without an end: ${excerpt(rest)}`);
    }
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof NoAnswerError) throw error;
    const isSilent = error instanceof Error && error.name === "BodyTimeoutError";
    const why = isSilent ? `it sent nothing for ${silenceMs} ms` : `the connection broke (${errorText(error)})`;
    throw new NoAnswerError(why, { cause: error });
  }
  if (rest !== "") throw new NoAnswerError(`it ended in the middle of a line: ${excerpt(rest)}`);
}

async function lastBytes(stream: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  let kept: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    kept.push(chunk);
    bytes += chunk.byteLength;
    // Cuts only when twice too much is held, so that a long log costs little time and memory.
    if (bytes > 2 * maxBytes) {
      kept = [Buffer.concat(kept).subarray(-maxBytes)];
      bytes = maxBytes;
    }
  }
  const whole = Buffer.concat(kept);
  return whole.byteLength <= maxBytes ? whole : whole.subarray(whole.byteLength - maxBytes);
}
