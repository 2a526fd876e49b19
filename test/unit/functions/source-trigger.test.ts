import { describe, expect, it } from "vitest";
import { acceptName, sourceTrigger } from "../../../functions/source-trigger.ts";

describe("a source's trigger", () => {
  it("names a queue, or a topic and its subscription", () => {
    expect(sourceTrigger({ queue: "thumbnails" })).toMatchObject({
      type: "serviceBusTrigger",
      queueName: "thumbnails",
    });
    expect(sourceTrigger({ topic: "t", subscription: "s" })).toMatchObject({ topicName: "t", subscriptionName: "s" });
  });

  it("leaves the settling of messages to the Dispatcher, and gets one message at a time", () => {
    expect(sourceTrigger({ queue: "q" })).toMatchObject({ autoCompleteMessages: false, cardinality: "one" });
  });

  it("asks for the body as text, because the host fails to read a JMS client's message as bytes", () => {
    expect(sourceTrigger({ queue: "q" })).toMatchObject({ dataType: "string" });
  });

  it("has a name that every host takes and that no other source has", () => {
    const sources = [
      { queue: "thumbnails" },
      { queue: "a.b" },
      { queue: "a-b" },
      { queue: "a/b" },
      { topic: "a", subscription: "b" },
      { queue: "x".repeat(260) },
      { queue: `${"x".repeat(259)}y` },
    ];
    const names = sources.map(acceptName);
    expect(new Set(names).size).toBe(sources.length);
    for (const name of names) expect(name).toMatch(/^[A-Za-z][A-Za-z0-9_-]{0,126}$/);
  });
});
