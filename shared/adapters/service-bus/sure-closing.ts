import { Connection, ConnectionEvents, Receiver, Session } from "rhea-promise";

interface Closable {
  /** A connection has none, because it is one itself. */
  readonly connection?: Connection;
}
type Close = (this: Closable, options: unknown) => Promise<void>;

let isInstalled = false;

/**
 * Patches rhea-promise so that each close of a link, a session or a connection resolves: when it is answered, whatever
 * the answer, when its time is over, or when the connection is lost. There is nothing that the caller could do about it.
 *
 * Unpatched, a close that is under way when the connection is lost never settles. The SDK waits for it before it opens
 * a link anew, and opens none until then, so that a source would be listened at never again. And the SDK does not await
 * all of its closes. One of them that was answered with an error, or too late, would end the process.
 */
export function installSureClosing(): void {
  if (isInstalled) return;
  isInstalled = true;
  // Receivers and senders close as links do, a class that the package doesn't export.
  const link: object = Reflect.getPrototypeOf(Receiver.prototype) ?? Receiver.prototype;
  for (const prototype of [link, Session.prototype, Connection.prototype]) {
    const close: Close = Reflect.get(prototype, "close");
    const sure: Close = function closeSurely(options) {
      return untilClosed(this instanceof Connection ? this : this.connection, close.call(this, options));
    };
    Reflect.set(prototype, "close", sure);
  }
}

function untilClosed(connection: Connection | undefined, closed: Promise<void>): Promise<void> {
  const underWay = connection === undefined ? new Set<() => void>() : closesOn(connection);
  return new Promise((resolve) => {
    const end = () => {
      underWay.delete(end);
      resolve();
    };
    underWay.add(end);
    closed.then(end, end);
  });
}

const CLOSES = new WeakMap<Connection, Set<() => void>>();

/** What ends the closes that are under way on a connection. One listener is enough for all, however many there are. */
function closesOn(connection: Connection): Set<() => void> {
  const known = CLOSES.get(connection);
  if (known !== undefined) return known;
  const closes = new Set<() => void>();
  CLOSES.set(connection, closes);
  connection.on(ConnectionEvents.disconnected, () => {
    for (const end of closes) end();
  });
  return closes;
}
