import type { Socket } from "node:net";

/** The way of all Dispatchers to one server. Closed, it breaks every connection and lets no new one in. */
export class Gate {
  readonly #sockets = new Set<Socket>();
  #isClosed = false;

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** For each new connection. */
  admit(socket: Socket): void {
    if (this.#isClosed) {
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

  /** Nothing passes, and nobody is told. */
  hang(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  goOn(): void {
    for (const socket of this.#sockets) socket.resume();
  }
}
