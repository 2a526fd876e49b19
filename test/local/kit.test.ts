import { once } from "node:events";
import { connect, createServer } from "node:net";
import { text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";
import { startHttpProxy } from "../../local/kit/http-proxy.ts";
import { listen } from "../../local/kit/listen.ts";
import { startTcpProxy, type TcpProxyOptions } from "../../local/kit/tcp-proxy.ts";
import { startLoopbackServer } from "../support/loopback-server.ts";

describe("the TCP proxy", () => {
  /** A server behind the proxy. It answers with everything that it was sent, once its client has sent everything. */
  async function startEcho(options: Omit<TcpProxyOptions, "to"> = {}) {
    const clients: unknown[] = [];
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      clients.push(socket);
      // The stream is not read to its end, because that would close the socket in both directions.
      const said: Buffer[] = [];
      socket.on("error", () => {});
      socket.on("data", (bytes: Buffer) => said.push(bytes)).on("end", () => socket.end(Buffer.concat(said)));
    });
    const { port, close } = await listen(server);
    const proxy = await startTcpProxy({ ...options, to: port });
    onTestFinished(async () => {
      await proxy.close();
      await close();
    });
    return { clients, proxy };
  }

  it("passes on what a client says before its end, and the whole answer that only comes after it", async () => {
    const { proxy } = await startEcho();
    const client = connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true });
    const said = "x".repeat(4 * 1024 * 1024);
    client.end(said);
    expect((await text(client)) === said).toBe(true);
  });

  it("opens no connection to the server for a client that is turned away", async () => {
    const { clients, proxy } = await startEcho({ onClient: (client) => client.destroy() });
    const client = connect(proxy.port, "127.0.0.1");
    client.on("error", () => {});
    await once(client, "close");
    expect(clients).toEqual([]);
  });

  it("breaks its connections when it is closed", async () => {
    const { proxy } = await startEcho();
    const client = connect(proxy.port, "127.0.0.1");
    await once(client, "connect");
    client.on("error", () => {});
    const closed = once(client, "close");
    await proxy.close();
    await closed;
    expect(client.destroyed).toBe(true);
  });
});

describe("the HTTP proxy", () => {
  const target = () =>
    startLoopbackServer((request, response) => {
      void text(request).then((body) =>
        response.writeHead(201, { "x-of": "the server" }).end(`${request.url}: ${body}`),
      );
    });

  it.each([
    { name: "a body as it comes", reads: false },
    { name: "a body that was read first", reads: true },
  ])("passes on $name, and the answer", async ({ reads }) => {
    const seen: string[] = [];
    const proxy = await startHttpProxy({ target: await target() }, async ({ method, body, ask, pass }) => {
      if (reads) seen.push(`${method} ${(await body()).toString()}`);
      await pass(await ask());
    });
    onTestFinished(() => proxy.close());
    const answer = await fetch(`http://127.0.0.1:${proxy.port}/a?b=c`, { method: "POST", body: "hello" });
    expect([answer.status, answer.headers.get("x-of"), await answer.text()]).toEqual([
      201,
      "the server",
      "/a?b=c: hello",
    ]);
    expect(seen).toEqual(reads ? ["POST hello"] : []);
  });

  it("cuts the connection when its hook rejects", async () => {
    const proxy = await startHttpProxy({ target: await target() }, () => Promise.reject(new Error("no")));
    onTestFinished(() => proxy.close());
    await expect(fetch(`http://127.0.0.1:${proxy.port}/`)).rejects.toThrow("fetch failed");
  });

  it("cuts the connection when the server is gone", async () => {
    const proxy = await startHttpProxy({ target: "http://127.0.0.1:1" }, async ({ ask, pass }) => pass(await ask()));
    onTestFinished(() => proxy.close());
    await expect(fetch(`http://127.0.0.1:${proxy.port}/`)).rejects.toThrow("fetch failed");
  });
});
