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
    removal: [{ guard: "enqueued-time-in-row", put: "return `run|${day(enqueuedAt)}|${padded(sequenceNumber)}`;" }],
    scenario: RECREATED,
    finds: ["lost"],
    shows: "the new message is settled by the old verdict: lost",
  },
  {
    name: "enqueued-time-in-name",
    guard: "the time at which a message was enqueued is part of its Jobs' names",
    removal: [{ guard: "enqueued-time-in-name", put: "0" }],
    scenario: RECREATED,
    finds: ["wrong"],
    shows: "the old Job stands in the new one's way: an interruption",
  },
  {
    name: "enqueued-time-in-peek",
    guard: "a message that has the run's number and another enqueued time is not the run's",
    removal: [{ guard: "enqueued-time-in-peek", put: "const isOurs = peeked !== undefined;" }],
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
    shows: "the old run waits for ever, and the new message with it",
  },
  {
    name: "enqueued-time-on-receive",
    guard: "a message received by its number is settled only if it was enqueued when the run's was",
    removal: [{ guard: "enqueued-time-on-receive", put: "" }],
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
    shows: "the new message is completed by the old run's verdict: lost",
  },
];
