import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { startHttpProxy } from "../../local/kit/http-proxy.ts";

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

/** Starts an HTTP proxy in front of a server on 127.0.0.1. It loses answers on demand. */
export async function startCuttingProxy(targetPort: number): Promise<CuttingProxy> {
  let lose: { method: string; count: number } = { method: "", count: 0 };
  let answer: { count: number; status: number; headers: Record<string, string> } = { count: 0, status: 0, headers: {} };
  let meanwhile: { method: string; action: () => unknown } | undefined;
  let ignore = 0;
  const target = `http://127.0.0.1:${targetPort}`;
  const { port, close } = await startHttpProxy({ target }, async ({ method, response, ask, pass }) => {
    if (ignore > 0) {
      ignore -= 1;
      return;
    }
    if (answer.count > 0) {
      answer.count -= 1;
      response.writeHead(answer.status, answer.headers).end();
      return;
    }
    const reply = await ask();
    if (lose.count > 0 && method === lose.method) {
      lose.count -= 1;
      await untilEnd(reply);
      response.destroy();
      return;
    }
    const action = meanwhile?.method === method ? meanwhile.action : undefined;
    if (action) meanwhile = undefined;
    await action?.();
    await pass(reply);
  });
  return {
    port,
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
    close,
  };
}

async function untilEnd(reply: IncomingMessage): Promise<void> {
  reply.resume();
  await once(reply, "end");
}
