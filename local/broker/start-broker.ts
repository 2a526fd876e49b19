import { createServer } from "node:https";
import type { Server, Socket } from "node:net";
import type { Container } from "rhea";
import rhea from "rhea";
import { refuseEndlessArrays } from "./amqp.ts";
import { makeCounters } from "./counters.ts";
import { type BrokerEntities, parseEntities } from "./entities.ts";
import type { Interference } from "./interference.ts";
import { Journal } from "./journal.ts";
import { openJournal } from "./journal-file.ts";
import { MAX_MESSAGE_BYTES } from "./message-content.ts";
import { Namespace } from "./namespace.ts";
import { KEY_NAME, keysWith } from "./sas-token.ts";
import { serveConnections } from "./serve-connections.ts";
import { sharePort } from "./share-port.ts";
import type { EntityCounts } from "./stored-message.ts";

export interface BrokerOptions {
  /** The port to listen on. 0, or none, takes a free one. */
  readonly port?: number;
  readonly entities: BrokerEntities;
  /** The key that clients sign their tokens with. Default `local`. The key of Microsoft's emulator is taken, too. */
  readonly key?: string;
  /**
   * Takes no other key and no identity's token, and no link of a client without a token. Without it, everybody on this
   * machine is a client.
   */
  readonly onlyKey?: boolean;
  /**
   * The file that keeps the messages. Without it they are in memory alone. Only one broker at a time may have it.
   */
  readonly journal?: string;
  /** A PEM key and certificate. With them the broker listens with TLS, as the service does. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /**
   * A PEM key and certificate. With them the broker also answers over HTTPS on the same port how many messages there
   * are, as a scaler asks.
   */
  readonly counters?: { readonly key: string; readonly cert: string };
  /** The clock, in ms since 1970. A test that moves the clock calls `wake` afterwards. */
  readonly now?: () => number;
  /** For tests. Stands between the broker and its clients. */
  readonly interference?: Interference;
  /**
   * A link of a queue or a subscription that was sent more messages than these, and has not settled them, is closed.
   * The service does so too, at a number that it doesn't publish. Without it, no link is closed.
   */
  readonly maxUnsettled?: number;
  /** Called with a line for each failure on a connection, and for each bug of the broker. */
  readonly log?: (message: string) => void;
}

/**
 * A broker that listens on 127.0.0.1. Its messages survive `stop` and `start`, and with a journal the process too,
 * however that ends: what a client was told is done stays done.
 */
export interface LocalBroker {
  readonly port: number;
  readonly connectionString: string;
  /** Its entities. A bench puts a backlog into them without a client. */
  readonly namespace: Namespace;
  /** How many messages each queue and subscription holds, by its name (`topic/subscriptions/name`). */
  counts(): Record<string, EntityCounts>;
  /** Ends the locks whose time is over by the clock, and delivers the messages that became ready. */
  wake(): void;
  /** Simulates an outage: cuts all connections and stops listening. The messages stay. */
  stop(): Promise<void>;
  /** Listens again, on the same port. */
  start(): Promise<void>;
  /** Stops for good. */
  close(): Promise<void>;
}

/**
 * Starts a broker that speaks AMQP 1.0 as Azure Service Bus does. Rejects if an entity is described wrongly or the port
 * is taken.
 */
export async function startBroker(options: BrokerOptions): Promise<LocalBroker> {
  refuseEndlessArrays();
  const { now = Date.now, key = "local" } = options;
  const keys = options.onlyKey === true ? new Map([[KEY_NAME, key]]) : keysWith(key);
  const memory = options.journal === undefined ? undefined : await openMemory(options.journal);
  const namespace = new Namespace(parseEntities(options.entities), now, memory);
  const container = rhea.create_container({ id: "local-broker" });
  logFailures(container, options.log ?? (() => {}));
  const service = serveConnections(container, namespace, { ...options, keys, now });
  const counters = options.counters && createServer(options.counters, makeCounters({ namespace, keys, now }));
  const servers = { container, tls: options.tls, counters };
  let listener = await listen(servers, options.port ?? 0).catch(async (error: unknown) => {
    await memory?.journal.close();
    throw error;
  });
  const { port } = listener;
  return {
    port,
    connectionString: `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=${KEY_NAME};SharedAccessKey=${key};UseDevelopmentEmulator=true;`,
    namespace,
    counts: () => Object.fromEntries(namespace.entities.map((entity) => [entity.name, entity.counts()])),
    wake: () => service.wake(),
    stop: () => listener.stop(),
    start: async () => {
      listener = await listen(servers, port);
    },
    close: async () => {
      await listener.stop();
      await memory?.journal.close();
    },
  };
}

async function openMemory(path: string) {
  const { kept, file } = await openJournal(path);
  return { kept, journal: new Journal(file) };
}

interface Listener {
  readonly port: number;
  stop(): Promise<void>;
}

interface Servers {
  readonly container: Container;
  readonly tls: BrokerOptions["tls"];
  readonly counters: Server | undefined;
}

async function listen({ container, tls, counters }: Servers, port: number): Promise<Listener> {
  const common = {
    host: "127.0.0.1",
    port,
    max_frame_size: 65_536,
    idle_time_out: 240_000,
    // The broker decides about outcomes itself. `modified` must not become `released`, because it says whether to
    // defer.
    sender_options: { autosettle: false, treat_modified_as_released: false } as object,
    receiver_options: { autoaccept: false, max_message_size: MAX_MESSAGE_BYTES },
  };
  const server: Server = container.listen(
    tls === undefined ? { ...common, transport: "tcp" } : { ...common, ...tls, transport: "tls" },
  );
  if (counters !== undefined) sharePort(server, counters);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", reject);
  });
  return {
    port: portOf(server),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function portOf(server: Server): number {
  const address = server.address();
  if (typeof address === "object" && address !== null) return address.port;
  throw new Error("the broker's listener has no port");
}

/**
 * Logs broken connections. The client notices them by itself; without these listeners rhea would throw the errors at
 * the process.
 */
function logFailures(container: Container, log: (message: string) => void): void {
  const events = ["error", "protocol_error", "connection_error", "session_error", "sender_error", "receiver_error"];
  for (const event of events) {
    container.on(event, ({ error, message }: { error?: Error; message?: string }) => {
      log(`${event}: ${error?.message ?? message ?? "the client closed it with an error"}`);
    });
  }
}
