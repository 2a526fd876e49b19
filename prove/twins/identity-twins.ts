import { isAbout, starts } from "./scene.ts";
import type { Scenario, Twin } from "./twin.ts";

/** Recreates the queue, so that the next message gets the number of the first one. */
const RECREATED: Scenario = {
  story: "a message is done, its queue is deleted and made again, and a new message gets the same number",
  async play({ send, until, recreateBus }) {
    await send("success");
    await until("the first one is done", ({ closed }) => closed.length === 1);
    await recreateBus();
    await send("success");
  },
};

/** The guards that tell a message from one with the same number, in an earlier queue or topic of the same name. */
export const IDENTITY_TWINS: readonly Twin[] = [
  {
    name: "enqueued-time-in-row",
    guard: "the key of a run's row holds the time at which the message was enqueued",
    removal: [{ guard: "enqueued-time-in-row", put: "return `run|${day(enqueuedAt)}|${padded(sequenceNumber)}`;" }],
    scenario: RECREATED,
    finds: ["lost"],
    shows: "the new message is settled by the old run's verdict, and is lost",
  },
  {
    name: "enqueued-time-in-name",
    guard: "the names of a run's Jobs depend on the time at which the message was enqueued",
    removal: [{ guard: "enqueued-time-in-name", put: "0" }],
    scenario: RECREATED,
    finds: ["wrong"],
    shows: "the old Job has the name that the new Job needs, and an interruption is counted",
  },
  {
    name: "enqueued-time-in-peek",
    guard: "a message with the run's number and another enqueued time is not the run's message",
    removal: [{ guard: "enqueued-time-in-peek", put: "const isOurs = peeked !== undefined;" }],
    scenario: {
      story:
        "while a run waits for attempt 2, its queue is deleted and made again, and a new message gets the same number",
      replicas: 1,
      async play({ script, send, until, recreateBus }) {
        const waiting = script.catch("update a run to waiting", "after");
        await send("retry");
        const caught = await waiting;
        await recreateBus();
        const looking = script.catch("peek at a message", "before");
        caught.goOn();
        const look = await looking;
        await send("one at a time");
        await until("the new one is at work", (records) => starts(records, 1) === 2);
        look.goOn();
      },
      // The first message is gone for good, and its row has to say so.
      forgives: ({ about }, records) => isAbout("retry-1", about, records),
    },
    finds: ["doubled", "open"],
    shows: "the old run takes the new message for its own, whose work is then done twice, or waits for ever",
  },
  {
    name: "enqueued-time-on-receive",
    guard: "a message that was received by its number is settled only if its enqueued time is the run's",
    removal: [{ guard: "enqueued-time-on-receive", put: "" }],
    scenario: {
      story:
        "while a replica is about to complete a message, its queue is deleted and made again, and a new message, which fails, gets the same number",
      async play({ script, send, until, recreateBus }) {
        const retiring = script.catch("retire a job", "after");
        await send("success");
        const caught = await retiring;
        await recreateBus();
        await until("the other replica closes the old run", ({ closed }) => closed.length === 1);
        await send("exhausted");
        await until("the new one is at work", (records) =>
          records.ledger.some(({ messageId }) => messageId === "exhausted-2"),
        );
        caught.goOn();
      },
    },
    finds: ["lost"],
    shows: "the new message is completed by the old run's verdict, and is lost",
  },
];
