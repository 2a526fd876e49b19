import { once } from "node:events";
import { createServer, request as sendRequest } from "node:http";

export interface CuttingProxy {
  readonly port: number;
  /** Lets the next `count` requests of this method reach the server, and cuts the connection instead of answering. */
  loseReplies(method: string, count: number): void;
  /** Answers the next requests itself, without asking the server. */
  answerNext(count: number, status: number, headers?: Record<string, string>): void;
  /** Runs `action` when the server has answered the next request of this method, before the client hears of it. */
  beforeReply(method: string, action: () => unknown): void;
  /** Leaves the next request without any answer. */
  ignoreNext(): void;
  close(): Promise<void>;
}

/** An HTTP proxy in front of a server on 127.0.0.1 that loses answers on demand. */
export async function startCuttingProxy(targetPort: number): Promise<CuttingProxy> {
  let lose: { method: string; count: number } = { method: "", count: 0 };
  let answer: { count: number; status: number; headers: Record<string, string> } = { count: 0, status: 0, headers: {} };
  let meanwhile: { method: string; action: () => unknown } | undefined;
  let ignore = 0;
  const server = createServer((incoming, outgoing) => {
    const { method = "", url = "", headers } = incoming;
    if (ignore > 0) {
      ignore -= 1;
      return;
    }
    if (answer.count > 0) {
      answer.count -= 1;
      incoming.resume();
      outgoing.writeHead(answer.status, answer.headers).end();
      return;
    }
    const onward = sendRequest({ host: "127.0.0.1", port: targetPort, method, path: url, headers }, (reply) => {
      if (lose.count > 0 && method === lose.method) {
        lose.count -= 1;
        reply.resume();
        reply.once("end", () => incoming.socket.destroy());
        return;
      }
      const action = meanwhile?.method === method ? meanwhile.action : undefined;
      if (action) meanwhile = undefined;
      void Promise.resolve(action?.()).then(() => {
        outgoing.writeHead(reply.statusCode ?? 500, reply.headers);
        reply.pipe(outgoing);
      });
    });
    onward.once("error", () => incoming.socket.destroy());
    incoming.pipe(onward);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The proxy has no port.");
  return {
    port: address.port,
    loseReplies: (method, count) => {
      lose = { method, count };
    },
    answerNext: (count, status, headers = {}) => {
      answer = { count, status, headers };
    },
    beforeReply: (method, action) => {
      meanwhile = { method, action };
    },
    ignoreNext: () => {
      ignore = 1;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
