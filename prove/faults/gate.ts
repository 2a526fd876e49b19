import type { Socket } from "node:net";

/**
 * Stands between all replicas and one server. While it is closed, it breaks every connection and lets no new one in.
 */
export class Gate {
  readonly #sockets = new Set<Socket>();
  readonly #pairs = new Set<readonly [client: Socket, server: Socket]>();
  #isClosed = false;
  #isHanging = false;
  #throttledShare = 0;
  #owed = 0;
  /** How many calls were throttled and how many connections were refused. */
  refused = 0;

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Has to be called for each new connection. */
  admit(socket: Socket): void {
    if (this.#isClosed) {
      this.refused += 1;
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => {});
  }

  close(): void {
    this.#isClosed = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  open(): void {
    this.#isClosed = false;
  }

  /** Throttles this share of all calls from here on, evenly spread: 0 for none, 1 for each. */
  throttle(share: number): void {
    this.#throttledShare = share;
    this.#owed = 0;
  }

  /** Tells whether this call is throttled. It has to be called once for each call of a replica. */
  refuses(): boolean {
    this.#owed += this.#throttledShare;
    if (this.#owed < 1) return false;
    this.#owed -= 1;
    this.refused += 1;
    return true;
  }

  /** Has to be called for each new connection that `hang` is to hold up, once each socket is piped into the other. */
  join(client: Socket, server: Socket): void {
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    client.once("close", () => this.#pairs.delete(pair));
    if (this.#isHanging) part(pair);
  }

  /** Lets no byte through in either direction, and keeps the connections open. New ones are taken, and hang too. */
  hang(): void {
    this.#isHanging = true;
    for (const pair of this.#pairs) part(pair);
  }

  /** Ends `hang`. What was said meanwhile is passed on. */
  goOn(): void {
    this.#isHanging = false;
    for (const [client, server] of this.#pairs) client.pipe(server).pipe(client);
  }
}

/** Pausing the sockets would not do, because a pipe lets a paused socket go on when the other one takes more. */
function part([client, server]: readonly [Socket, Socket]): void {
  client.unpipe(server);
  server.unpipe(client);
}
