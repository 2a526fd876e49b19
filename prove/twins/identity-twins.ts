import { isAbout } from "./scene.ts";
import type { Scenario, Twin } from "./twin.ts";

/** The next message that arrives gets the number of the first one. */
const RECREATED: Scenario = {
  story: "when a message is done, its queue is deleted and made again, and a new message gets the same number",
  async play({ send, until, recreateBus }) {
    await send("success");
    await until("the first one is done", ({ closed }) => closed.length === 1);
    await recreateBus();
    await send("success");
  },
};

/** What keeps the messages of an entity apart from those of the one that had its name before. */
export const IDENTITY_TWINS: readonly Twin[] = [
  {
    name: "enqueued-time-in-row",
    guard: "the time at which a message was enqueued is part of its row's key",
    removal: [
      {
        file: "shared/adapters/table-keys.ts",
        find: "return `run|${day(enqueuedAt)}|${padded(sequenceNumber)}|${enqueuedAt}`;",
        put: "return `run|${day(enqueuedAt)}|${padded(sequenceNumber)}`;",
      },
    ],
    scenario: RECREATED,
    finds: ["lost"],
  },
  {
    name: "enqueued-time-in-name",
    guard: "the time at which a message was enqueued is part of its Jobs' names",
    removal: [
      {
        file: "shared/jobs/job-name.ts",
        find: "JSON.stringify([instance, sourceKey(key.source), key.enqueuedAt, module])",
        put: "JSON.stringify([instance, sourceKey(key.source), module])",
      },
    ],
    scenario: RECREATED,
    finds: ["wrong"],
  },
  {
    name: "enqueued-time-in-peek",
    guard: "a message that has the run's number and another enqueued time is not the run's",
    removal: [
      {
        file: "shared/reconcile/see-message.ts",
        find: "if (!message || message.enqueuedAt !== run.enqueuedAt) return",
        put: "if (!message) return",
      },
    ],
    scenario: {
      story:
        "while a run waits for its second attempt, its queue is deleted and made again, and a new message gets its number",
      async play({ script, send, recreateBus }) {
        const waiting = script.catch("update a run to waiting", "after");
        await send("retry");
        const held = await waiting;
        await recreateBus();
        await send("success");
        held.goOn();
      },
      // Its message is gone for good, and its row has to say so.
      forgives: ({ about }, books) => isAbout("retry-1", about, books),
    },
    finds: ["open"],
  },
  {
    name: "enqueued-time-on-receive",
    guard: "a message received by its number is settled only if it was enqueued when the run's was",
    removal: [
      {
        file: "shared/adapters/service-bus-broker.ts",
        find: "if (message.enqueuedTimeUtc?.getTime() !== key.enqueuedAt) {",
        put: "if (false) {",
      },
    ],
    scenario: {
      story:
        "while a Dispatcher is about to complete a message, its queue is deleted and made again, and a new message, which fails, gets its number",
      async play({ script, send, until, recreateBus }) {
        const retiring = script.catch("retire a job", "after");
        await send("success");
        const held = await retiring;
        await recreateBus();
        await until("the other one closes the old run", ({ closed }) => closed.length === 1);
        await send("exhausted");
        await until("the new one is at work", (books) =>
          books.ledger.some(({ messageId }) => messageId === "exhausted-2"),
        );
        held.goOn();
      },
    },
    finds: ["lost"],
  },
];
