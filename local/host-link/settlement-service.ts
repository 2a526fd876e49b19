import rhea from "rhea";
import type { OfferedDeliveries, OfferedDelivery } from "../../shared/adapters/standalone-host/offered-deliveries.ts";
import { errorText } from "../../shared/errors.ts";
import { type GrpcReply, type GrpcStatus, startGrpcServer } from "./grpc-server.ts";

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
  let cancelled = 0;

  async function settle(call: SettlementCall): Promise<GrpcStatus> {
    if (isMissing) return { code: UNIMPLEMENTED, message: "Service is unimplemented." };
    const delivery = deliveries.get(call.lockToken);
    if (delivery === undefined) return { code: FAILED_PRECONDITION, message: `LockToken ${call.lockToken} not found.` };
    try {
      await METHODS[call.path]?.(delivery, call);
      return { code: 0, message: "" };
    } catch (error) {
      return { code: UNKNOWN, message: `Exception was thrown by handler. ${errorText(error)}` };
    }
  }

  const server = await startGrpcServer(
    async ({ path, request }) => {
      const call = { path, ...decoded(request) };
      calls.push(call);
      const mishap = mishaps.shift();
      if (mishap === undefined) return settle(call);
      if ("after" in mishap) await settle(call);
      return replyOf(mishap);
    },
    { port, onCancelled: () => (cancelled += 1) },
  );
  return {
    origin: `http://127.0.0.1:${server.port}`,
    calls,
    cancelled: () => cancelled,
    next: (...given) => void mishaps.push(...given),
    close: server.close,
  };
}

function replyOf(mishap: Mishap): GrpcReply {
  switch (mishap.kind) {
    case "status":
      return mishap;
    case "no answer":
      return "silence";
    case "cut":
      return "cut";
    case "headers only":
      return { headersOnly: mishap };
    case "http":
      return { http: mishap.status };
    default:
      return mishap satisfies never;
  }
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
