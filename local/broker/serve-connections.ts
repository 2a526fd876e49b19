import type { Connection, Container, EventContext, Receiver, Sender } from "rhea";
import { peerPort, rawMessage, receiveRaw, receiverOf, senderOf } from "./amqp.ts";
import { asBrokerError, unauthorized } from "./broker-error.ts";
import { answerCbs } from "./cbs.ts";
import { type Consumer, DeliveryPump } from "./delivery-pump.ts";
import type { Entity } from "./entity.ts";
import type { Interference } from "./interference.ts";
import { answerManagement } from "./management.ts";
import type { Namespace } from "./namespace.ts";
import { assertReceivable, type LinkOptions, receiveLink } from "./receive-link.ts";
import { type Reply, ReplyLink, type Request, readRequest } from "./reply-link.ts";
import type { Keys } from "./sas-token.ts";
import { sendLink } from "./send-link.ts";

const CBS = "$cbs";
const isManagement = (address: string): boolean => /\/\$management$/i.test(address);

/** The reply links of one connection, those of its links that receive, and whether its client has shown a token. */
interface ConnectionState {
  hasToken: boolean;
  readonly replies: Map<string, ReplyLink>;
  readonly consumers: Map<Sender, { consumer: Consumer; pump: DeliveryPump }>;
}

export interface LinkServerOptions {
  readonly keys: Keys;
  /** Takes no identity's token, and no link of a client without a token. */
  readonly onlyKey?: boolean;
  /** The clock, in ms since 1970. */
  readonly now: () => number;
  readonly interference?: Interference;
  readonly maxUnsettled?: number;
  /** Called with a line for each failure that no client hears of. */
  readonly log?: (message: string) => void;
}

/**
 * Connects every link that a client attaches with the thing that its address names: an entity, its management, or
 * `$cbs`.
 */
export function serveConnections(container: Container, namespace: Namespace, options: LinkServerOptions): LinkServer {
  const server = new LinkServer(namespace, options);
  container.on("session_open", receiveRaw);
  container.on("sender_open", (context: EventContext) => {
    const link = senderOf(context);
    orRefuse(link, () => server.openSender(context.connection, link));
  });
  container.on("receiver_open", (context: EventContext) => {
    const link = receiverOf(context);
    orRefuse(link, () => server.openReceiver(context.connection, link));
  });
  container.on("sender_close", ({ connection, sender }: EventContext) =>
    server.forget(connection, (link) => link === sender),
  );
  container.on("session_close", ({ connection, session }: EventContext) =>
    server.forget(connection, (link) => link.session === session),
  );
  for (const event of ["connection_close", "disconnected"]) {
    container.on(event, ({ connection }: EventContext) => server.forget(connection, () => true));
  }
  return server;
}

/**
 * The links of all connections, and the entities that they are joined to. "Sender" and "receiver" are the broker's side
 * of a link.
 */
export class LinkServer {
  readonly #namespace: Namespace;
  readonly #keys: Keys;
  readonly #onlyKey: boolean;
  readonly #now: () => number;
  readonly #interference: Interference | undefined;
  readonly #maxUnsettled: number | undefined;
  readonly #log: (message: string) => void;
  readonly #pumps = new Map<Entity, DeliveryPump>();
  readonly #states = new WeakMap<Connection, ConnectionState>();

  constructor(namespace: Namespace, options: LinkServerOptions) {
    const { keys, onlyKey = false, now, interference, maxUnsettled, log = () => {} } = options;
    this.#namespace = namespace;
    this.#keys = keys;
    this.#onlyKey = onlyKey;
    this.#now = now;
    this.#interference = interference;
    this.#maxUnsettled = maxUnsettled;
    this.#log = log;
  }

  /**
   * Opens a link on which the client receives messages of an entity, or replies. Throws if the client is to be refused.
   */
  openSender(connection: Connection, link: Sender): void {
    const state = this.#stateOf(connection);
    const address = link.source?.address ?? "";
    link.set_source(link.source);
    this.#assertAllowed(state, address);
    if (address === CBS || isManagement(address)) {
      if (address !== CBS) this.#namespace.receivable(address);
      // The client of Node names its link to `$cbs` for its replies, and others name the target.
      const replyTo = link.target?.address ?? link.name;
      state.replies.set(replyTo, new ReplyLink(link));
      link.once("sender_close", () => state.replies.delete(replyTo));
      return;
    }
    const entity = this.#namespace.receivable(address);
    assertReceivable(entity, link);
    const pump = this.#pumpOf(entity);
    const consumer = receiveLink(entity, link, this.#linkOptions(peerPort(connection), entity));
    state.consumers.set(link, { consumer, pump });
    link.on("sender_flow", () => pump.schedule());
    link.on("sendable", () => pump.schedule());
    pump.add(consumer);
  }

  /**
   * Opens a link on which the client sends messages to an entity, or requests. Throws if the client is to be refused.
   */
  openReceiver(connection: Connection, link: Receiver): void {
    const namespace = this.#namespace;
    const state = this.#stateOf(connection);
    const address = link.target?.address ?? "";
    link.set_target(link.target);
    this.#assertAllowed(state, address);
    if (address !== CBS && !isManagement(address)) {
      namespace.assertSendable(address);
      sendLink(namespace, address, link, this.#now);
      return;
    }
    const answer = (request: Request): Reply =>
      address === CBS
        ? this.#answerCbs(state, request)
        : answerManagement(() => namespace.receivable(address), request);
    const send = (request: Request, reply: Reply) => state.replies.get(request.replyTo)?.send(request, reply);
    link.on("message", (context: EventContext) => {
      const request = readRequest(rawMessage(context));
      context.delivery?.accept();
      if (this.#interference === undefined || address === CBS) {
        const reply = answer(request);
        namespace.whenSaved(() => send(request, reply));
        return;
      }
      const { operation, body } = request;
      const call = {
        clientPort: peerPort(connection),
        entity: address.replace(/\/\$management$/i, ""),
        operation,
        body,
      };
      void this.#interference
        .onCall(call, () => answer(request))
        .then((reply) => reply && namespace.whenSaved(() => send(request, reply)));
    });
  }

  #answerCbs(state: ConnectionState, request: Request): Reply {
    const reply = answerCbs(this.#namespace, { keys: this.#keys, takesIdentities: !this.#onlyKey }, request);
    if (reply.errorCondition === undefined) state.hasToken = true;
    return reply;
  }

  /** Throws if a client has to show a token first. All tokens are of one key, so that one is enough for everything. */
  #assertAllowed({ hasToken }: ConnectionState, address: string): void {
    if (this.#onlyKey && !hasToken && address !== CBS)
      throw unauthorized("Unauthorized access. The connection has no token.");
  }

  #linkOptions(clientPort: number, { name, deadLetterQueue }: Entity): LinkOptions {
    const client = { clientPort, entity: name };
    const interference = this.#interference;
    return {
      whenSaved: (then) => this.#namespace.whenSaved(then),
      // Letters are received in batches, each on a link of its own.
      ...(this.#maxUnsettled === undefined || deadLetterQueue === undefined
        ? {}
        : { maxUnsettled: this.#maxUnsettled }),
      ...(interference && {
        onDelivery: (send, detach) => interference.onDelivery(client, send, detach),
        onSettlement: (disposition, carryOut) => interference.onSettlement({ ...client, disposition }, carryOut),
      }),
    };
  }

  /** Delivers nothing more to the links that are gone. Their messages stay locked until the locks end. */
  forget(connection: Connection, isGone: (link: Sender) => boolean): void {
    const { consumers } = this.#stateOf(connection);
    for (const [link, { consumer, pump }] of consumers) {
      if (!isGone(link)) continue;
      pump.remove(consumer);
      consumers.delete(link);
    }
  }

  /** Does what the time asks for, and delivers what became ready. */
  wake(): void {
    for (const [entity, pump] of this.#pumps) {
      entity.passTime();
      pump.schedule();
    }
  }

  #stateOf(connection: Connection): ConnectionState {
    const known = this.#states.get(connection);
    if (known !== undefined) return known;
    const state: ConnectionState = { hasToken: false, replies: new Map(), consumers: new Map() };
    this.#states.set(connection, state);
    return state;
  }

  #pumpOf(entity: Entity): DeliveryPump {
    const pump = this.#pumps.get(entity) ?? new DeliveryPump(entity, this.#now, this.#log);
    this.#pumps.set(entity, pump);
    return pump;
  }
}

function orRefuse(link: Sender | Receiver, serve: () => void): void {
  try {
    serve();
  } catch (error) {
    const { condition, message } = asBrokerError(error);
    link.close({ condition, description: message });
  }
}
