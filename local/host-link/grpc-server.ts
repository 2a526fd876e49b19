import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { buffer } from "node:stream/consumers";
import { setImmediate as turn } from "node:timers/promises";
import { type Listening, listen } from "../kit/listen.ts";

/** How a call of gRPC ended (https://grpc.io/docs/guides/status-codes). Code 0 is success. */
export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
}

/** One call: its path, such as `/Settlement/Defer`, and the message that came with it. */
export interface GrpcCall {
  readonly path: string;
  readonly request: Buffer;
}

/**
 * What the client gets.
 * - A status, in trailers, as it comes after an answer.
 * - `headersOnly`: a status without trailers, as a server answers that refuses at once.
 * - `http`: a status of HTTP alone, as a server answers that knows nothing of gRPC.
 * - `cut`: its connection breaks.
 * - `silence`: nothing.
 */
export type GrpcReply =
  | GrpcStatus
  | { readonly headersOnly: GrpcStatus }
  | { readonly http: number }
  | "cut"
  | "silence";

/**
 * Serves calls that are answered with nothing but a status, on loopback, and on a free port by default. A connection
 * breaks if `answer` rejects. `onCancelled` is called for each call that its client cancels.
 */
export function startGrpcServer(
  answer: (call: GrpcCall) => Promise<GrpcReply>,
  { port = 0, onCancelled = () => {} }: { readonly port?: number; readonly onCancelled?: () => void } = {},
): Promise<Listening> {
  const server = createServer();
  // A client was killed.
  server.on("session", (session) => session.on("error", () => {}));
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on("error", () => {});
    stream.on("aborted", onCancelled);
    const serve = async () => {
      // gRPC puts a byte and four bytes of length before a message.
      const request = (await buffer(stream)).subarray(5);
      return answer({ path: String(headers[":path"]), request });
    };
    void serve()
      .catch(() => "cut" as const)
      .then(async (reply) => {
        // In a turn of its own, because Node corrupts its heap if a session ends while it reads
        // (https://github.com/nodejs/node/issues/64113).
        await turn();
        if (reply === "cut") stream.session?.destroy();
        else if (reply !== "silence" && !stream.destroyed) send(stream, reply);
      });
  });
  return listen(server, { port });
}

const GRPC = { ":status": 200, "content-type": "application/grpc" };

function send(stream: ServerHttp2Stream, reply: Exclude<GrpcReply, string>): void {
  if ("http" in reply) return stream.respond({ ":status": reply.http }, { endStream: true });
  if ("headersOnly" in reply) return stream.respond({ ...GRPC, ...fieldsOf(reply.headersOnly) }, { endStream: true });
  stream.respond(GRPC, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(fieldsOf(reply)));
  // A success has an answer, `google.protobuf.Empty`, which is a header without bytes.
  stream.end(reply.code === 0 ? Buffer.alloc(5) : undefined);
}

function fieldsOf({ code, message }: GrpcStatus): Record<string, string> {
  return { "grpc-status": String(code), ...(message === "" ? {} : { "grpc-message": encodeURIComponent(message) }) };
}
