import type { Interference } from "../../local/broker/interference.ts";
import type { Reply } from "../../local/broker/reply-link.ts";
import type { Listening } from "../../local/kit/listen.ts";
import { startTcpProxy } from "../../local/kit/tcp-proxy.ts";
import { busEdge } from "./bus-edge.ts";
import type { Conductor } from "./director.ts";
import { known } from "./edges.ts";
import type { Gate } from "./gate.ts";

/** The way of the Dispatchers to the bus: a port for each, and the broker's calls in the director's hands. */
export class BusGate {
  /** Whose connection it is, by the port that the broker sees. */
  readonly #slots = new Map<number, number>();
  readonly #sockets = new Map<number, { destroy(): void }>();
  readonly #gates = new Map<number, Gate>();
  readonly #director: () => Conductor;

  constructor(director: () => Conductor) {
    this.#director = director;
  }

  /** What the broker has to be started with. */
  readonly interference: Interference = {
    onCall: async ({ clientPort, ...call }, carryOut) => {
      const slot = this.#slots.get(clientPort);
      if (slot === undefined) return carryOut();
      if (this.#gates.get(slot)?.refuses() === true) return refusal(503);
      const edge = busEdge(call);
      const reply = await this.#director().conduct<Reply>({
        slot,
        edges: known(edge),
        asked: call.operation,
        carryOut: async () => carryOut(),
        refusal,
        // It asks for a message that no entity ever has.
        worked: ({ statusCode }) => statusCode < 300 || (edge === "verify a source" && statusCode === 404),
      });
      if (reply === "silence") return undefined;
      if (reply !== "cut") return reply;
      this.#sockets.get(clientPort)?.destroy();
      return undefined;
    },
    onDelivery: ({ clientPort }, send) => {
      const slot = this.#slots.get(clientPort);
      if (slot === undefined) return send();
      let isSent = false;
      const sendOnce = () => {
        if (!isSent) send();
        isSent = true;
      };
      this.#director()
        .conduct<"sent">({
          slot,
          edges: ["receive a message"],
          asked: "a delivery",
          // A delivery is no question: it goes out now, or never. A process that is killed or put to sleep is so before this line ends.
          carryOut: async () => {
            sendOnce();
            return "sent";
          },
          // Locked, and never to arrive: it comes again when its lock lapsed.
          loseOnTheWay: () => {
            isSent = true;
          },
          refusal: () => "sent",
          worked: () => true,
        })
        // Its link closed while it slept.
        .catch(() => {});
    },
  };

  /** A port for a Dispatcher's connections to the broker's. */
  open(slot: number, brokerPort: number, gate: Gate): Promise<Listening> {
    this.#gates.set(slot, gate);
    return startTcpProxy({
      to: brokerPort,
      onClient: (client) => gate.admit(client),
      onConnected: (client, bus) => {
        const port = bus.localPort ?? 0;
        this.#slots.set(port, slot);
        this.#sockets.set(port, client);
        bus.once("close", () => {
          this.#slots.delete(port);
          this.#sockets.delete(port);
        });
        client.setNoDelay(true);
        bus.setNoDelay(true);
      },
    });
  }
}

/** The service's own conditions for what a client may have to hear. */
const REFUSALS: Readonly<Record<number, readonly [condition: string, text: string]>> = {
  404: ["com.microsoft:message-not-found", "Failed to lock one or more specified messages."],
  410: ["com.microsoft:message-lock-lost", "The lock supplied is invalid."],
  500: ["amqp:internal-error", "The service was unable to process the request."],
  503: ["com.microsoft:server-busy", "The request was terminated because the namespace is being throttled."],
};

function refusal(statusCode: number): Reply {
  const [errorCondition = "amqp:internal-error", statusDescription = ""] = REFUSALS[statusCode] ?? [];
  return { statusCode, statusDescription, errorCondition };
}
