import { describe, expect, it } from "vitest";
import { lookAtMessage } from "../../../shared/observe/look-at-message.ts";
import type { MessageBroker } from "../../../shared/ports/message-broker.ts";
import { aRun } from "../../support/a-run.ts";
import { LOCK_MS, makeWorld } from "../../support/world.ts";

/** What is seen of a waiting run's message that no peek shows, `ageMs` after the first one that missed it. */
async function see(ageMs: number | undefined, requeueDeferred: MessageBroker["requeueDeferred"]) {
  const { deps, clock } = makeWorld();
  const broker = { ...deps.broker, peek: () => Promise.resolve(undefined), requeueDeferred };
  const absentSince = clock.now();
  clock.advance(ageMs ?? 0);
  const run = aRun({ status: "waiting", ...(ageMs === undefined ? {} : { absentSince }) });
  return (await lookAtMessage({ ...deps, broker }, run)).seen;
}

describe("a message that no peek shows", () => {
  const missing = () => Promise.resolve("missing" as const);

  it("is absent at the first miss, and is not asked for", async () => {
    expect(await see(undefined, () => Promise.reject(new Error("asked")))).toBe("absent");
  });

  it("is absent until a lock duration has passed", async () => {
    expect(await see(LOCK_MS - 1, missing)).toBe("absent");
  });

  it("is gone after that, when the broker says MessageNotFound too", async () => {
    expect(await see(LOCK_MS, missing)).toBe("gone");
  });

  it("is not gone when the broker could hand it out", async () => {
    expect(await see(LOCK_MS, () => Promise.resolve("done"))).toBe("absent");
  });

  it("is not judged when the broker does not answer", async () => {
    await expect(see(LOCK_MS, () => Promise.reject(new Error("no answer")))).rejects.toThrow("no answer");
  });
});
