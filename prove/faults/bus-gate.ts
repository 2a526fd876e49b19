import { BrokerError } from "../../local/broker/broker-error.ts";
import type { Interference, SettlementAnswer } from "../../local/broker/interference.ts";
import type { Reply } from "../../local/broker/reply-link.ts";
import type { Listening } from "../../local/kit/listen.ts";
import { startTcpProxy } from "../../local/kit/tcp-proxy.ts";
import { busEdge, isOfLetters, settlementEdge } from "./bus-edge.ts";
import type { CallHandler } from "./call.ts";
import { known } from "./edges.ts";
import type { Gate } from "./gate.ts";

/**
 * Stands between the replicas and the bus: each replica has a port of its own, and the handler decides what becomes of
 * each call.
 */
export class BusGate {
  /** The replica that each connection belongs to, by the port that the broker sees. */
  readonly #replicas = new Map<number, number>();
  readonly #sockets = new Map<number, { destroy(): void }>();
  readonly #gates = new Map<number, Gate>();
  readonly #handler: () => CallHandler;

  constructor(handler: () => CallHandler) {
    this.#handler = handler;
  }

  /** The hooks that the broker has to be started with. */
  readonly interference: Interference = {
    onCall: async ({ clientPort, ...call }, carryOut) => {
      const replica = this.#replicas.get(clientPort);
      if (replica === undefined) return carryOut();
      if (this.#gates.get(replica)?.refuses() === true) return refusal(503);
      const edge = busEdge(call);
      const reply = await this.#handler().handle<Reply>({
        replica,
        edges: known(edge),
        asked: call.operation,
        carryOut: async () => carryOut(),
        refusal,
        // A verified source answers 404, because the app asks for a message that no entity ever has.
        worked: ({ statusCode }) => statusCode < 300 || (edge === "verify a source" && statusCode === 404),
      });
      if (reply === "silence") return undefined;
      if (reply !== "cut" && reply !== "detach") return reply;
      this.#sockets.get(clientPort)?.destroy();
      return undefined;
    },
    onDelivery: ({ clientPort, entity }, send, detach) => {
      const replica = this.#replicas.get(clientPort);
      if (replica === undefined) return send();
      let isSent = false;
      const sendOnce = () => {
        if (!isSent) send();
        isSent = true;
      };
      this.#handler()
        .handle<"sent">({
          replica,
          edges: [isOfLetters(entity) ? "receive a letter" : "receive a message"],
          asked: "a delivery",
          // The replica answers nothing, so this call is done when the delivery is sent. A kill or a freeze "after" it
          // follows at once.
          carryOut: async () => {
            sendOnce();
            return "sent";
          },
          // The message is locked and never arrives, so the broker delivers it again when the lock has lapsed.
          loseOnTheWay: () => {
            isSent = true;
          },
          // No plan refuses a delivery, which asks for nothing.
          refusal: () => "sent",
          worked: () => true,
        })
        .then((answer) => {
          if (answer !== "detach") return;
          sendOnce();
          detach();
        })
        // The replica's link closed while the replica was frozen.
        .catch(() => {});
    },
    onSettlement: async ({ clientPort, disposition }, carryOut) => {
      const replica = this.#replicas.get(clientPort);
      const edge = settlementEdge(disposition);
      if (replica === undefined || edge === undefined) return carryOut();
      if (this.#gates.get(replica)?.refuses() === true) return settlementRefusal(503);
      const answer = await this.#handler().handle<SettlementAnswer>({
        replica,
        edges: [edge],
        asked: `a disposition: ${disposition.kind}`,
        carryOut: async () => carryOut(),
        refusal: settlementRefusal,
        worked: (given) => given === "confirmed",
      });
      if (answer === "silence") return undefined;
      if (answer !== "cut") return answer;
      this.#sockets.get(clientPort)?.destroy();
      return undefined;
    },
  };

  /** Opens the port over which a replica reaches the broker. */
  open(replica: number, brokerPort: number, gate: Gate): Promise<Listening> {
    this.#gates.set(replica, gate);
    return startTcpProxy({
      to: brokerPort,
      onClient: (client) => gate.admit(client),
      onConnected: (client, bus) => {
        const port = bus.localPort ?? 0;
        this.#replicas.set(port, replica);
        this.#sockets.set(port, client);
        bus.once("close", () => {
          this.#replicas.delete(port);
          this.#sockets.delete(port);
        });
        gate.join(client, bus);
        client.setNoDelay(true);
        bus.setNoDelay(true);
      },
    });
  }
}

/** The error conditions of the real service, by the status codes that come with them. */
const REFUSALS: Readonly<Record<number, readonly [condition: string, text: string]>> = {
  404: ["com.microsoft:message-not-found", "Failed to lock one or more specified messages."],
  410: ["com.microsoft:message-lock-lost", "The lock supplied is invalid."],
  500: ["amqp:internal-error", "The service was unable to process the request."],
  503: ["com.microsoft:server-busy", "The request was terminated because the namespace is being throttled."],
};

function refusal(statusCode: number): Reply {
  const { condition: errorCondition, message: statusDescription } = settlementRefusal(statusCode);
  return { statusCode, statusDescription, errorCondition };
}

function settlementRefusal(statusCode: number): BrokerError {
  const [condition = "amqp:internal-error", text = ""] = REFUSALS[statusCode] ?? [];
  return new BrokerError(condition, statusCode, text);
}
