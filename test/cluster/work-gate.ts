import { createServer } from "node:http";

/** A server where Jobs report, and wait until they may end. */
export interface WorkGate {
  /** A worker's command, for `sh`. It reports itself for its message, waits until it may end, and succeeds. */
  readonly script: string;
  /** The pods that worked on each message, or still do, by message id. */
  readonly workers: ReadonlyMap<string, ReadonlySet<string>>;
  /** Lets every worker end, later ones included. */
  open(): void;
  /** Makes workers that come from now on wait again. */
  shut(): void;
  close(): Promise<void>;
}

/** Starts a gate at an address that pods reach. */
export async function startWorkGate(address: string): Promise<WorkGate> {
  const workers = new Map<string, Set<string>>();
  let isOpen = false;
  const server = createServer((request, response) => {
    const [, message = "", pod = ""] = (request.url ?? "").split("/");
    workers.set(message, (workers.get(message) ?? new Set()).add(pod));
    response.writeHead(isOpen ? 200 : 503).end();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, address, resolve);
  });
  const bound = server.address();
  const port = typeof bound === "object" ? bound?.port : undefined;
  return {
    script: `until wget -q -O /dev/null "http://${address}:${port}/$DISPATCHER_MESSAGE_ID/$HOSTNAME"; do sleep 0.2; done`,
    workers,
    open: () => {
      isOpen = true;
    },
    shut: () => {
      isOpen = false;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
