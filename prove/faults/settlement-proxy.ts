import { type GrpcCall, type GrpcStatus, startGrpcServer } from "../../local/host-link/grpc-server.ts";
import type { Listening } from "../../local/kit/listen.ts";
import { GrpcClient } from "../../shared/adapters/functions-host/grpc-client.ts";
import type { CallHandler } from "./call.ts";
import { type Edge, known } from "./edges.ts";
import { HOST_STATUSES } from "./fault.ts";

export interface SettlementProxyOptions {
  readonly replica: number;
  readonly handler: () => CallHandler;
  /** The port of the Settlement service in the replica's process. */
  readonly to: number;
}

/** Longer than the app waits for an answer. */
const TIMEOUT_MS = 60_000;
/** No delivery has this token. The app asks for it to learn whether there is a Settlement service. */
const NO_LOCK_TOKEN = "00000000-0000-0000-0000-000000000000";

/**
 * Stands between the app of one replica and the Settlement service of its host. The handler decides what becomes of
 * each call.
 */
export function startSettlementProxy({ replica, handler, to }: SettlementProxyOptions): Promise<Listening> {
  return startGrpcServer(async (call) => {
    const answer = await handler().handle<GrpcStatus>({
      replica,
      edges: known(settlementCallEdge(call)),
      asked: `the host: ${call.path}`,
      carryOut: () => ask(to, call),
      refusal: (code) => ({
        code,
        message: code === HOST_STATUSES.unknown ? "Exception was thrown by handler." : "injected",
      }),
      worked: ({ code }) => code === 0,
    });
    // A connection of HTTP has no links.
    return answer === "detach" ? "cut" : answer;
  });
}

/** Names the call of the app that this call of the Settlement service is; undefined if the app makes no such call. */
export function settlementCallEdge({ path, request }: GrpcCall): Edge | undefined {
  switch (path) {
    case "/Settlement/Defer":
      return "have the host defer";
    case "/Settlement/Complete":
      return request.includes(NO_LOCK_TOKEN) ? "look for the host's settlements" : "have the host complete";
    case "/Settlement/Deadletter":
      return "have the host dead-letter";
    default:
      return undefined;
  }
}

async function ask(port: number, { path, request }: GrpcCall): Promise<GrpcStatus> {
  const client = new GrpcClient(`http://127.0.0.1:${port}`, TIMEOUT_MS);
  try {
    const answer = await client.call(path, request);
    // The replica was killed, and its host with it.
    if (answer.kind === "no answer") throw new Error(`the host did not answer: ${answer.why}`);
    return answer;
  } finally {
    // In a turn of its own, as in `startGrpcServer`.
    setImmediate(() => client.close());
  }
}
