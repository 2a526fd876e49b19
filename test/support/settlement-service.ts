import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import rhea from "rhea";
import type { OfferedDeliveries, OfferedDelivery } from "../../shared/adapters/standalone-host/offered-deliveries.ts";
import { errorText } from "../../shared/errors.ts";

/** A call to the service, as it decoded it. */
interface SettlementCall {
  readonly path: string;
  readonly lockToken: string;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly reason?: string;
  readonly description?: string;
}

/**
 * What happens to a call instead of being carried out and answered.
 * - `status`: it is answered so, before the deed or after it.
 * - `no answer`: nothing comes, before the deed or after it.
 * - `cut`: the connection breaks, before the deed or after it.
 * - `headers only`: a status without trailers, as a server answers that refuses at once.
 * - `http`: a status of HTTP alone.
 */
type Mishap =
  | { readonly kind: "status"; readonly code: number; readonly message: string; readonly after?: true }
  | { readonly kind: "no answer" | "cut"; readonly after?: true }
  | { readonly kind: "headers only"; readonly code: number; readonly message: string }
  | { readonly kind: "http"; readonly status: number };

export interface SettlementService {
  /** Its address, such as `http://127.0.0.1:50051`. */
  readonly origin: string;
  readonly calls: readonly SettlementCall[];
  /** How many calls were cancelled before they were answered. */
  cancelled(): number;
  /** Has the next calls meet these mishaps, one each. */
  next(...mishaps: Mishap[]): void;
  close(): Promise<void>;
}

const FAILED_PRECONDITION = 9;
const UNKNOWN = 2;
const UNIMPLEMENTED = 12;

/**
 * A stub of the Settlement service of the Functions host. It settles the deliveries that are offered just now, and says
 * of any other that it does not find it. `isMissing`: it is the server of an older host, which has no such service.
 */
export async function startSettlementService(
  deliveries: OfferedDeliveries,
  { isMissing = false, port = 0 }: { readonly isMissing?: boolean; readonly port?: number } = {},
): Promise<SettlementService> {
  const calls: SettlementCall[] = [];
  const mishaps: Mishap[] = [];
  const sessions = new Set<ServerHttp2Session>();
  let cancelled = 0;

  async function carryOut(call: SettlementCall): Promise<void> {
    if (isMissing) return Promise.reject(new Status(UNIMPLEMENTED, "Service is unimplemented."));
    const delivery = deliveries.get(call.lockToken);
    if (delivery === undefined) throw new Status(FAILED_PRECONDITION, `LockToken ${call.lockToken} not found.`);
    await METHODS[call.path]?.(delivery, call);
  }

  async function answer(stream: ServerHttp2Stream, path: string): Promise<void> {
    const call = { path, ...decoded((await allOf(stream)).subarray(5)) };
    calls.push(call);
    const mishap = mishaps.shift();
    const settle = async () => {
      let status = new Status(0, "");
      await carryOut(call).catch((error: unknown) => {
        status =
          error instanceof Status ? error : new Status(UNKNOWN, `Exception was thrown by handler. ${errorText(error)}`);
      });
      return status;
    };
    if (mishap === undefined) return respond(stream, await settle());
    if ("after" in mishap) await settle();
    switch (mishap.kind) {
      case "status":
        return respond(stream, new Status(mishap.code, mishap.message));
      case "no answer":
        return undefined;
      case "cut":
        return stream.session?.destroy();
      case "headers only":
        return stream.respond(
          { ":status": 200, "content-type": "application/grpc", ...headersOf(new Status(mishap.code, mishap.message)) },
          { endStream: true },
        );
      case "http":
        return stream.respond({ ":status": mishap.status }, { endStream: true });
      default:
        return mishap satisfies never;
    }
  }

  const server = createServer();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    session.on("error", () => {});
  });
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on("error", () => {});
    stream.on("aborted", () => {
      cancelled += 1;
    });
    void answer(stream, String(headers[":path"]));
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    calls,
    cancelled: () => cancelled,
    next: (...given) => void mishaps.push(...given),
    close: async () => {
      for (const session of sessions) session.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, "close");
    },
  };
}

const METHODS: Record<string, (delivery: OfferedDelivery, call: SettlementCall) => Promise<void>> = {
  "/Settlement/Complete": ({ complete }) => complete(),
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- scalars, as the map has them
  "/Settlement/Defer": ({ defer }, { properties }) => defer(properties as Parameters<typeof defer>[0]),
  "/Settlement/Deadletter": ({ deadLetter }, { properties, reason, description }) =>
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- scalars, as the map has them
    deadLetter({ ...properties, deadLetterReason: reason, deadLetterErrorDescription: description } as Parameters<
      typeof deadLetter
    >[0]),
};

class Status extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

function respond(stream: ServerHttp2Stream, status: Status): void {
  if (stream.destroyed || stream.closed) return;
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(headersOf(status)));
  // An answer that is `google.protobuf.Empty`: a header, and no bytes.
  stream.end(status.code === 0 ? Buffer.alloc(5) : undefined);
}

function headersOf({ code, message }: Status): Record<string, string> {
  return { "grpc-status": String(code), ...(message === "" ? {} : { "grpc-message": encodeURIComponent(message) }) };
}

async function allOf(stream: ServerHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Decodes a request: fields of protocol buffers that have a length. */
function decoded(bytes: Buffer): Omit<SettlementCall, "path"> {
  const fields = fieldsIn(bytes);
  const text = (field: number) => {
    const wrapped = fields.get(field);
    return wrapped && (fieldsIn(wrapped).get(1)?.toString() ?? "");
  };
  const [reason, description] = [text(3), text(4)];
  return {
    lockToken: fields.get(1)?.toString() ?? "",
    properties: decodedMap(fields.get(2)),
    ...(reason === undefined ? {} : { reason }),
    ...(description === undefined ? {} : { description }),
  };
}

function fieldsIn(bytes: Buffer): Map<number, Buffer> {
  const fields = new Map<number, Buffer>();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes.readUInt8(at++);
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag % 8 !== 2) throw new Error(`field ${tag >> 3} has no length`);
    const length = varint();
    fields.set(tag >> 3, bytes.subarray(at, at + length));
    at += length;
  }
  return fields;
}

const Reader: { new (buffer: Buffer): { read(): unknown } } = Reflect.get(rhea.types, "Reader");
const unwrapMap: (map: unknown) => Record<string, unknown> = Reflect.get(rhea.types, "unwrap_map_simple");

function decodedMap(bytes: Buffer | undefined): Record<string, unknown> {
  return bytes === undefined ? {} : unwrapMap(new Reader(bytes).read());
}
