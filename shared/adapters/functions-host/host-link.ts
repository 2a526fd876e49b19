import type { HostLink, LinkAnswer } from "../../ports/host-link.ts";
import { lettersToTry, stampsToTry } from "../service-bus/properties-that-fit.ts";
import { type GrpcAnswer, GrpcClient, OK, UNIMPLEMENTED } from "./grpc-client.ts";
import { type Settlement, settlementRequest } from "./settlement-request.ts";

const SETTLEMENT_TIMEOUT_MS = 10_000;
/** A host that starts anew may answer so before its services are up. */
const MISSING_FOR_MS = 60_000;
/** No delivery has this lock token, so that the service only says that it is there. */
const NO_LOCK_TOKEN = "00000000-0000-0000-0000-000000000000";
const NOT_OFFERED = { kind: "not offered" } as const;
const TOO_OLD =
  "the Functions host has no Settlement service: use an extension bundle with version 5.13 or later of the Service Bus extension";

type Method = "Complete" | "Defer" | "Deadletter";

/**
 * Makes the link of the Functions host, which settles for its worker by a gRPC service beside the worker's own channel.
 * `origin`: the address of the host's server, if a host started this process. An answer takes `timeoutMs` at most. A host
 * that says that it has no such service is asked again after `missingForMs`.
 */
export function makeFunctionsHostLink(
  origin: string | undefined,
  {
    timeoutMs = SETTLEMENT_TIMEOUT_MS,
    missingForMs = MISSING_FOR_MS,
  }: { readonly timeoutMs?: number; readonly missingForMs?: number } = {},
): HostLink {
  const client = origin === undefined ? undefined : new GrpcClient(origin, timeoutMs);
  /** When the host said last that it does not have the service, on this process's own clock. */
  let missedAt = Number.NEGATIVE_INFINITY;
  const isMissing = () => performance.now() - missedAt < missingForMs;

  async function ask(method: Method, settlement: Settlement): Promise<GrpcAnswer> {
    if (client === undefined) return { kind: "status", code: UNIMPLEMENTED, message: "" };
    const answer = await client.call(`/Settlement/${method}`, settlementRequest(settlement));
    if (answer.kind === "status" && answer.code === UNIMPLEMENTED) missedAt = performance.now();
    return answer;
  }

  async function settle(method: Method, settlement: Settlement): Promise<LinkAnswer> {
    if (isMissing()) return NOT_OFFERED;
    const answer = await ask(method, settlement);
    if (answer.kind === "no answer") return { kind: "in doubt", why: answer.why };
    if (answer.code === OK) return { kind: "done" };
    if (answer.code === UNIMPLEMENTED) return NOT_OFFERED;
    return { kind: "in doubt", why: statusText(answer) };
  }

  return {
    // The trigger converts it (docs/decisions/0005), and the service hands over nothing.
    message: () => undefined,
    defer: (lockToken, stamp) => settle("Defer", { lockToken, properties: stampsToTry(stamp)[0] }),
    complete: (lockToken) => settle("Complete", { lockToken }),
    deadLetter(lockToken, letter) {
      const {
        deadLetterReason: reason,
        deadLetterErrorDescription: description,
        ...properties
      } = lettersToTry(letter)[0] ?? {};
      return settle("Deadletter", { lockToken, properties, reason, description });
    },
    async problem() {
      if (client === undefined) return "no Functions host started this process";
      if (isMissing()) return TOO_OLD;
      const answer = await ask("Complete", { lockToken: NO_LOCK_TOKEN });
      if (answer.kind === "no answer")
        return `the Settlement service of the Functions host can't be asked: ${answer.why}`;
      return answer.code === UNIMPLEMENTED ? TOO_OLD : undefined;
    },
  };
}

function statusText({ code, message }: GrpcAnswer & { readonly kind: "status" }): string {
  return `status ${code}: ${message}`;
}
