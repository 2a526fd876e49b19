import type { Socket } from "node:net";

/** The way of all Dispatchers to one server. Closed, it breaks every connection and lets no new one in. */
export class Gate {
  readonly #sockets = new Set<Socket>();
  #isClosed = false;
  #busyShare = 0;
  #owed = 0;
  /** Calls that a busy server refused, and connections that a closed gate did. */
  refused = 0;

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** For each new connection. */
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

  /** From here on this share of all calls, evenly spread, is to be answered that the server is busy: 0 for none, 1 for each. */
  busy(share: number): void {
    this.#busyShare = share;
    this.#owed = 0;
  }

  /** For each call that a Dispatcher makes: whether the server is too busy for this one. */
  refuses(): boolean {
    this.#owed += this.#busyShare;
    if (this.#owed < 1) return false;
    this.#owed -= 1;
    this.refused += 1;
    return true;
  }

  /** Nothing passes, and nobody is told. */
  hang(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  goOn(): void {
    for (const socket of this.#sockets) socket.resume();
  }
}
