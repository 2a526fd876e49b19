import { request } from "node:https";
import { ServiceBusAdministrationClient } from "@azure/service-bus";
import Long from "long";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Certificate, makeCertificate } from "../../local/cluster/certificate.ts";
import { numberOf } from "../support/bus-user.ts";
import { type LocalBus, startLocalBus } from "../support/local-broker-harness.ts";
import { signedToken } from "../support/signed-token.ts";

const MINUTE = 60_000;
const entities = {
  queues: [{ name: "Work/q", lockDurationMs: MINUTE }],
  topics: [{ name: "events", subscriptions: [{ name: "all" }, { name: "none", filter: { sql: "1 = 0" } }] }],
};

describe("the local broker's counters, read by the Service Bus SDK,", () => {
  let certificate: Certificate;
  let bus: LocalBus;
  let admin: ServiceBusAdministrationClient;

  beforeEach(async () => {
    certificate = await makeCertificate();
    bus = await startLocalBus(entities, { counters: certificate });
    admin = administer(bus.broker.connectionString);
  });
  afterEach(() => bus.close());

  function administer(connectionString: string): ServiceBusAdministrationClient {
    const options = { tlsOptions: { ca: certificate.cert }, retryOptions: { maxRetries: 0 } };
    return new ServiceBusAdministrationClient(connectionString, options);
  }
  const queue = () => admin.getQueueRuntimeProperties("work/Q");

  it("call a deferred message active, and a locked one, and dead letters not", async () => {
    await bus.send("Work/q", ...["a", "b", "c", "d"].map((body) => ({ body })));
    const receiver = bus.receiver({ queue: "Work/q" });
    expect(await queue()).toMatchObject({ activeMessageCount: 4, deadLetterMessageCount: 0, totalMessageCount: 4 });
    const deferred = await bus.receive(receiver);
    await receiver.deferMessage(deferred);
    await receiver.deadLetterMessage(await bus.receive(receiver));
    await receiver.completeMessage(await bus.receive(receiver));
    await bus.receive(receiver);
    const counts = { activeMessageCount: 2, deadLetterMessageCount: 1, scheduledMessageCount: 0 };
    expect(await queue()).toMatchObject({ ...counts, totalMessageCount: 3 });

    const [again] = await receiver.receiveDeferredMessages(Long.fromNumber(numberOf(deferred)));
    expect(await queue()).toMatchObject({ activeMessageCount: 2 });
    await receiver.completeMessage(again ?? deferred);
    expect(await queue()).toMatchObject({ activeMessageCount: 1, totalMessageCount: 2 });
  });

  it("tell the subscriptions of a topic apart", async () => {
    await bus.send("events", { body: "a" }, { body: "b" });
    const all = await admin.getSubscriptionRuntimeProperties("events", "all");
    expect(all).toMatchObject({ topicName: "events", subscriptionName: "all", activeMessageCount: 2 });
    const none = await admin.getSubscriptionRuntimeProperties("events", "none");
    expect(none).toMatchObject({ activeMessageCount: 0, deadLetterMessageCount: 0, totalMessageCount: 0 });
  });

  it("say that there is no such entity", async () => {
    const missing = { code: "MessageEntityNotFoundError" };
    await expect(admin.getQueueRuntimeProperties("other")).rejects.toMatchObject(missing);
    await expect(admin.getSubscriptionRuntimeProperties("events", "other")).rejects.toMatchObject(missing);
  });

  it("are refused to a client with another key, or another name for it", async () => {
    const { connectionString } = bus.broker;
    const keys = [connectionString.replace("Key=local", "Key=other"), connectionString.replace("Name=local", "Name=x")];
    for (const wrong of keys) {
      const refused = administer(wrong).getQueueRuntimeProperties("Work/q");
      await expect(refused).rejects.toMatchObject({ statusCode: 401, message: expect.stringContaining("InvalidSign") });
    }
  });

  it("are back on the same port after an outage", async () => {
    await bus.broker.stop();
    await expect(queue()).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await bus.broker.start();
    expect(await queue()).toMatchObject({ activeMessageCount: 0 });
  });

  describe("asked by hand,", () => {
    function ask(path: string, authorization?: string, method = "GET"): Promise<{ status: number; text: string }> {
      const headers = authorization === undefined ? {} : { authorization };
      const options = { host: "127.0.0.1", port: bus.broker.port, path, method, headers, ca: certificate.cert };
      return new Promise((resolve, reject) => {
        request({ ...options, agent: false }, (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (chunk: string) => {
            text += chunk;
          });
          response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
        })
          .on("error", reject)
          .end();
      });
    }

    it("answer to a token for the namespace, or for the entity", async () => {
      for (const resource of ["sb://any.host/", "https://any.host:5/work/q?x=1", "sb://h/work/", "any.host"]) {
        const { status, text } = await ask("/Work/q?api-version=2021-05", signedToken(resource));
        expect([resource, status]).toEqual([resource, 200]);
        expect(text).toContain(":ActiveMessageCount>0</");
      }
    });

    it.each([
      { name: "no token", given: () => undefined, want: "MissingToken" },
      { name: "half a token", given: () => signedToken("h").replace(/&sig=[^&]*/, ""), want: "MalformedToken" },
      {
        name: "a broken signature",
        given: () => signedToken("h").replace(/sig=[^&]*/, "sig=%"),
        want: "InvalidSignature",
      },
      { name: "a token of yesterday", given: () => signedToken("h", -1000), want: "ExpiredToken" },
      { name: "a token for another entity", given: () => signedToken("sb://h/work/q2"), want: "InvalidAudience" },
    ])("refuse $name", async ({ given, want }) => {
      expect(await ask("/Work/q", given())).toEqual({ status: 401, text: expect.stringContaining(want) });
    });

    it("change nothing, and survive nonsense", async () => {
      expect(await ask("/Work/q", signedToken("h"), "DELETE")).toMatchObject({ status: 501 });
      for (const path of ["/$Resources/Queues", "/events", "/Work/q/$deadletterqueue", "/"])
        expect(await ask(path, signedToken("h"))).toMatchObject({ status: 501 });
      expect(await ask("/%zz", signedToken("h"))).toMatchObject({ status: 400 });
      expect(await ask("/%3Cb%3E", signedToken("h"), "PUT")).toMatchObject({
        text: expect.not.stringContaining("<b>"),
      });
      expect(await queue()).toMatchObject({ activeMessageCount: 0 });
    });
  });
});
