import { expect, it } from "vitest";
import { changeIn } from "../../check-azure/checks/dead-letter-keeps-its-number.ts";
import { troubleIn } from "../../check-azure/checks/dead-letter-stays-deferred.ts";
import { playDeadLetter } from "../../check-azure/dead-letter.ts";
import type { Source } from "../../shared/run/source.ts";
import { startLocalBus } from "../support/local-broker-harness.ts";

const ENTITIES = {
  queues: [{ name: "letters", lockDurationMs: 60_000 }],
  topics: [{ name: "topic", subscriptions: [{ name: "letters", lockDurationMs: 60_000 }] }],
};
const SOURCES: readonly Source[] = [{ queue: "letters" }, { topic: "topic", subscription: "letters" }];

it.each(SOURCES)("plays a dead letter to its end, on the local broker: %o", async (source) => {
  const bus = await startLocalBus(ENTITIES);
  try {
    const story = await playDeadLetter(bus.client, source, 500);
    expect(story.original?.messageId).toBe("dead-letter");
    expect(story.letter?.deadLetterReason).toBe("check");
    expect(troubleIn(story)).toBeUndefined();
    expect(changeIn(story)).toBeUndefined();
  } finally {
    await bus.close();
  }
});

it("says which step went otherwise", async () => {
  const bus = await startLocalBus(ENTITIES);
  try {
    const story = await playDeadLetter(bus.client, { queue: "letters" }, 500);
    expect(troubleIn({ ...story, letter: undefined })).toContain("never came");
    expect(troubleIn({ ...story, deferred: undefined })).toContain("after it was deferred");
    expect(troubleIn({ ...story, deliveredAgain: story.letter })).toContain("no longer deferred");
    expect(troubleIn({ ...story, again: undefined })).toContain("after it was abandoned");
    expect(troubleIn({ ...story, left: 1 })).toContain("still there");
    const { original } = story;
    expect(changeIn({ ...story, original: undefined })).toContain("never came");
    const later = original && { ...original, enqueuedTimeUtc: new Date(0) };
    expect(changeIn({ ...story, letter: later })).toMatch(/^number 1, .* became number 1, enqueued 1970/);
  } finally {
    await bus.close();
  }
});
