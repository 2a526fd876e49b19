import {
  type ClientHttp2Session,
  connect,
  constants,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from "node:http2";

/** How a call ended: with a status of gRPC (https://grpc.io/docs/guides/status-codes), or without one. */
export type GrpcAnswer =
  | { readonly kind: "status"; readonly code: number; readonly message: string }
  | { readonly kind: "no answer"; readonly why: string };

export const OK = 0;
export const UNIMPLEMENTED = 12;
const UNKNOWN = 2;

/** Calls a gRPC server that answers each call with nothing but a status, over one connection. */
export class GrpcClient {
  readonly #origin: string;
  readonly #timeoutMs: number;
  #session: ClientHttp2Session | undefined;

  /** `origin`: such as `http://127.0.0.1:50051`. `timeoutMs`: how long one call may take. */
  constructor(origin: string, timeoutMs: number) {
    this.#origin = origin;
    this.#timeoutMs = timeoutMs;
  }

  /** Calls a method by its path, such as `/Settlement/Defer`. Never rejects. */
  call(path: string, request: Uint8Array): Promise<GrpcAnswer> {
    return new Promise((resolve) => {
      const session = this.#connected();
      let headers: AnswerHeaders = {};
      let failure = "the connection was closed";
      const stream = session.request({
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc",
        te: "trailers",
      });
      const timer = setTimeout(() => {
        failure = `no answer within ${this.#timeoutMs} ms`;
        stream.close(constants.NGHTTP2_CANCEL);
        // A connection that hangs would let each later call wait as long.
        session.destroy();
      }, this.#timeoutMs);
      stream.on("response", (given) => {
        headers = { ...headers, ...given };
      });
      stream.on("trailers", (given: IncomingHttpHeaders) => {
        headers = { ...headers, ...given };
      });
      stream.on("error", (error) => {
        failure = error.message;
      });
      stream.on("close", () => {
        clearTimeout(timer);
        resolve(statusIn(headers) ?? { kind: "no answer", why: failure });
      });
      stream.resume();
      stream.end(framed(request));
    });
  }

  close(): void {
    this.#session?.close();
  }

  #connected(): ClientHttp2Session {
    if (this.#session && !this.#session.closed && !this.#session.destroyed) return this.#session;
    const session = connect(this.#origin);
    // Each call hears of the failure by its own stream.
    session.on("error", () => {});
    session.unref();
    this.#session = session;
    return session;
  }
}

type AnswerHeaders = IncomingHttpHeaders & IncomingHttpStatusHeader;

/** Puts the header before a message that gRPC asks for: not compressed, and so long. */
function framed(message: Uint8Array): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([header, message]);
}

/**
 * Finds the status in the headers and trailers of an answer. A server that knows gRPC but nothing of this service may
 * answer like any web server, with a status of HTTP alone.
 */
function statusIn(headers: AnswerHeaders): GrpcAnswer | undefined {
  const code = headers["grpc-status"];
  if (code !== undefined)
    return { kind: "status", code: Number(code), message: decoded(String(headers["grpc-message"] ?? "")) };
  const http = headers[":status"];
  if (http === undefined || http === 200) return undefined;
  return { kind: "status", code: http === 404 ? UNIMPLEMENTED : UNKNOWN, message: `HTTP status ${http}` };
}

/** Decodes the percent signs of a status's message. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
