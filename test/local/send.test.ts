import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { openNamespace, whyNotSent } from "../../cli/send/azure-namespace.ts";
import { type SendAllFlags, sendAll } from "../../cli/send/send.ts";
import { startConnectProxy } from "../support/connect-proxy.ts";
import { startLocalQueue } from "../support/local-broker-harness.ts";
import { startRefusingBroker } from "../support/refusing-broker.ts";
import { startWebSocketFront } from "../support/web-socket-front.ts";

// No authority signed the front's certificate.
beforeAll(() => void vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0"));
afterAll(() => vi.unstubAllEnvs());

const closers: (() => unknown)[] = [];
afterEach(async () => {
  vi.stubEnv("HTTPS_PROXY", undefined);
  for (const close of closers.splice(0).toReversed()) await close();
});

const LOGGED_IN = { getToken: async () => ({ token: "a-token", expiresOnTimestamp: Date.now() + 3_600_000 }) };
const FLAGS: SendAllFlags = { subject: "s", property: { a: "b" }, id: "i", count: 2 };

/** Sends to a namespace by identity, and resolves to what is said: of each message, or of the failure. */
async function sendTo(host: string, entity = "q", credential = LOGGED_IN): Promise<string[]> {
  const said: string[] = [];
  try {
    const client = openNamespace(host, credential);
    await sendAll(client, entity, FLAGS, Buffer.from("body"), (line) => said.push(line));
  } catch (error) {
    said.push(whyNotSent(error, host, entity));
  }
  return said;
}

async function frontOf(brokerPort: number): Promise<string> {
  const front = await startWebSocketFront(brokerPort);
  closers.push(() => front.close());
  return `localhost:${front.port}`;
}

async function openQueue() {
  const bus = await startLocalQueue();
  closers.push(() => bus.close());
  return { bus, host: await frontOf(bus.broker.port) };
}

describe("sending to a namespace in Azure", () => {
  test("goes over WebSockets, with a token of whoever is logged in", async () => {
    const { bus, host } = await openQueue();
    expect(await sendTo(host)).toEqual(["sent i-1 to q, 4 bytes", "sent i-2 to q, 4 bytes"]);
    const receiver = bus.receiver({ queue: "q" });
    const message = await bus.receive(receiver);
    expect(message).toMatchObject({ messageId: "i-1", subject: "s", applicationProperties: { a: "b" } });
  });

  test("says which role is missing, and how to get it", async () => {
    const refusing = await startRefusingBroker();
    closers.push(() => refusing.close());
    const host = await frontOf(refusing.port);
    const [said, ...others] = await sendTo(host);
    expect(others).toEqual([]);
    expect(said).toMatch(
      /^You may not send to q in localhost:\d+\. You need the role "Azure Service Bus Data Sender" there\./,
    );
    expect(said).toContain("senderPrincipalIds");
    expect(said).toContain("az role assignment create --role 'Azure Service Bus Data Sender'");
  });

  test("says that the queue does not exist", async () => {
    const { host } = await openQueue();
    expect(await sendTo(host, "nowhere")).toEqual([
      expect.stringMatching(/^localhost:\d+ has no queue or topic nowhere\./),
    ]);
  });

  test("says that nobody is logged in", async () => {
    const { host } = await openQueue();
    const credential = {
      getToken: () => Promise.reject(Object.assign(new Error("no az"), { name: "CredentialUnavailableError" })),
    };
    expect(await sendTo(host, "q", credential)).toEqual(["Nobody is logged in to Azure here. Run: az login\nno az"]);
  });

  test("says that there is no such namespace", async () => {
    const host = "acme.servicebus.invalid";
    expect(await sendTo(host)).toEqual([
      expect.stringMatching(
        /^acme\.servicebus\.invalid does not resolve in DNS\. Give --bus .*az servicebus namespace list/,
      ),
    ]);
  });

  test("says that the proxy refuses", async () => {
    const { host } = await openQueue();
    const proxy = await startConnectProxy();
    closers.push(() => proxy.close());
    proxy.refuse(403);
    vi.stubEnv("HTTPS_PROXY", `http://127.0.0.1:${proxy.port}`);
    expect(await sendTo(host)).toEqual([
      expect.stringMatching(/^The WebSocket to localhost:\d+ was refused with status 403\./),
    ]);
  });

  test("says that it gets no answer", async () => {
    const { bus, host } = await openQueue();
    await bus.broker.stop();
    expect(await sendTo(host)).toEqual([expect.stringMatching(/^localhost:\d+ can't be reached \(.*port 443/)]);
  });
});
