import { starts } from "./scene.ts";
import { NO_SWEEP, type Twin } from "./twin.ts";

/** What guards the messages on the bus. */
export const BUS_TWINS: readonly Twin[] = [
  {
    name: "owner-stamp",
    guard: "the sweep touches only messages that this installation deferred",
    removal: [{ guard: "owner-stamp", put: "" }],
    scenario: {
      story: "another Dispatcher's deferred messages lie in the same queue",
      async play({ send, until }) {
        await send("success");
        await until("the run closes", ({ closed }) => closed.length > 0);
      },
    },
    finds: ["wrong"],
    shows: "all 60 messages of the other Dispatcher are worked off",
  },
  {
    name: "sweep",
    guard: "the sweep finds deferred messages that no row speaks of",
    removal: [NO_SWEEP],
    scenario: {
      story: "while a run waits for its second attempt, the table loses its rows",
      async play({ script, send, loseRows }) {
        const waiting = script.catch("update a run to waiting", "after");
        await send("retry");
        const held = await waiting;
        await loseRows();
        held.goOn();
      },
    },
    finds: ["open"],
    shows: "the message stays deferred, with no row",
  },
  {
    name: "slow-absence",
    guard: "a message is gone only when two peeks a lock duration apart, and a receive between them, don't find it",
    removal: [{ guard: "slow-absence", put: "return LOST;" }],
    without: [NO_SWEEP],
    scenario: {
      story: "one peek misses the message of a run that waits for its second attempt",
      // So that this peek is the next one.
      processes: 1,
      async play({ script, send, until }) {
        const waiting = script.catch("update a run to waiting", "after");
        await send("retry");
        const held = await waiting;
        script.lie("peek at a message", 204);
        held.goOn();
        await until("the run starts again, or is closed", (books) => starts(books, 2) > 0 || books.closed.length > 0);
      },
    },
    finds: ["lost"],
    shows: "the run is closed as lost, and its message is there",
  },
  {
    name: "not-found-is-not-gone",
    guard: "a receive that doesn't find the message says nothing until a peek says it too: somebody may hold its lock",
    removal: [{ guard: "not-found-is-not-gone", put: "" }],
    without: [NO_SWEEP],
    scenario: {
      story: "a Dispatcher dies with the message received, and not yet completed",
      async play({ script, send }) {
        const receiving = script.catch("receive a deferred message", "after");
        await send("success");
        (await receiving).kill();
      },
    },
    finds: ["wrong", "orphan"],
    shows: "the run is closed, and its message stays deferred",
  },
];
