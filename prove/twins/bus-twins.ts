import type { Finding } from "../audit/audit.ts";
import type { GuardEdit } from "./edit.ts";
import { starts } from "./scene.ts";
import type { Script } from "./script.ts";
import { NO_SWEEP, type Scenario, type Twin } from "./twin.ts";

/** Longer than a lock lasts, and some ticks more. */
const LOOKS_MS = 15_000;

/** Whether a Job started while its message was active, in the story of `in-doubt-is-left` that is told now. */
let startedEarly = false;

/** What is wrong with the stamps of the two neighbours, in the story of `own-turn` that is told now. */
let wrongStamps: Finding[] = [];

/** Resolves to what `sending` does, when a row is inserted after that. */
async function inserted<T>(script: Script, sending: Promise<T>): Promise<T> {
  const inserting = script.catch("insert a run", "after");
  const sent = await sending;
  (await inserting).goOn();
  return sent;
}

/** So many rejections shut a module's gate, so that the next one is held. */
const REJECTIONS_TO_SHUT = 10;

/** A link of the bus's client stalls if so many deliveries follow one that is not settled on it. */
const LINK_STALLS_AFTER = 2_047;

/** Leaves letters to the tick that a process began to redrive and did not defer. */
const NO_HALF_CLAIMED: GuardEdit = { guard: "half-claimed", put: "return false;" };

const HALF_CLAIMED: Scenario = {
  story: "a replica dies when it has begun the run of a dead letter that is redriven, and not yet deferred the letter",
  async play({ script, send }) {
    const deferring = script.catch("defer a letter", "before");
    await send("redriven");
    (await deferring).kill();
  },
};

/** The guards of the messages on the bus. */
export const BUS_TWINS: readonly Twin[] = [
  {
    name: "owner-stamp",
    guard: "the sweep touches only messages that this instance deferred",
    removal: [{ guard: "owner-stamp", put: "" }],
    scenario: {
      story: "deferred messages of another instance are in the same queue",
      async play({ send, until }) {
        await send("success");
        await until("the run closes", ({ closed }) => closed.length > 0);
      },
    },
    finds: ["wrong"],
    shows: "all 60 messages of the other instance are worked on",
  },
  {
    name: "sweep",
    guard: "the sweep finds deferred messages that no row speaks of",
    removal: [NO_SWEEP],
    scenario: {
      story: "while a run waits for attempt 2, the table loses its rows",
      async play({ script, send, loseRows }) {
        const waiting = script.catch("update a run to waiting", "after");
        await send("retry");
        const caught = await waiting;
        await loseRows();
        caught.goOn();
      },
    },
    finds: ["open"],
    shows: "the message stays deferred, and no row speaks of it",
  },
  {
    name: "slow-absence",
    guard:
      "a message counts as gone only if two peeks, a lock duration apart, and a receive between them don't find it",
    removal: [{ guard: "slow-absence", put: "return LOST;" }],
    without: [NO_SWEEP],
    scenario: {
      story: "one peek does not find the message of a run that waits for attempt 2",
      // One replica makes sure that the next peek is the one that this story needs.
      replicas: 1,
      async play({ script, send, until }) {
        const waiting = script.catch("update a run to waiting", "after");
        await send("retry");
        const caught = await waiting;
        script.answer("peek at a message", 204);
        caught.goOn();
        await until(
          "the run starts again, or is closed",
          (records) => starts(records, 2) > 0 || records.closed.length > 0,
        );
      },
    },
    finds: ["lost"],
    shows: "the run is closed as lost, although its message is there",
  },
  {
    name: "not-found-is-not-gone",
    guard:
      "a message that a receive doesn't find counts as gone only if a peek doesn't find it either, because another receiver may hold its lock",
    removal: [{ guard: "not-found-is-not-gone", put: "" }],
    without: [NO_SWEEP],
    scenario: {
      story: "a replica dies when it has received the message and not yet completed it",
      async play({ script, send }) {
        const receiving = script.catch("receive a deferred message", "after");
        await send("success");
        (await receiving).kill();
      },
    },
    finds: ["wrong", "orphan"],
    shows: "the run is closed, and its message stays deferred",
  },
  {
    name: "source-held",
    guard: "if most of at least ten messages of a source are missing at once, none of them is believed to be gone",
    removal: [{ guard: "source-held", put: "" }],
    without: [NO_SWEEP],
    scenario: {
      story: "after attempt 1 of twelve runs, another namespace answers for a while, and it has none of their messages",
      replicas: 1,
      async play({ script, send, until }) {
        const idle = await script.catch("list the jobs", "before");
        for (let count = 0; count < 12; count += 1) await send("retry");
        await until(
          "attempt 1 of each is over",
          ({ ledger }) => ledger.filter(({ what, attempt }) => what === "end" && attempt === 1).length === 12,
        );
        script.answer("peek at a message", 204, { times: Number.POSITIVE_INFINITY });
        script.answer("receive a deferred message", 404, { times: Number.POSITIVE_INFINITY });
        idle.goOn();
        const enough = performance.now() + LOOKS_MS;
        await until(
          "each message was looked for twice",
          ({ closed }) => closed.length > 0 || performance.now() > enough,
        );
        script.stopAnswering();
      },
    },
    finds: ["lost"],
    shows: "all twelve runs are closed as lost, although their messages are there",
  },
  {
    name: "in-doubt-is-left",
    guard: "if nothing says that a message is deferred, its delivery is left, and no Job is made",
    removal: [{ guard: "in-doubt-is-left", put: "" }],
    scenario: {
      story: "the bus takes no deferral for some time, neither on the link nor over the management",
      async play({ script, send, until }) {
        script.answer("defer a delivery", 410, { times: Number.POSITIVE_INFINITY });
        script.answer("defer a message", 410, { times: Number.POSITIVE_INFINITY });
        await send("success");
        const records = await until(
          "it is delivered twice, or its Job starts",
          (now) => starts(now, 1) > 0 || now.bus.some(({ deliveryCount = 0 }) => deliveryCount > 1),
        );
        startedEarly = starts(records, 1) > 0;
        script.stopAnswering();
      },
      alsoFinds: async (_scene, { sent }) =>
        startedEarly
          ? sent.map(({ id }) => ({ kind: "wrong", about: id, what: "its Job started while it was active on the bus" }))
          : [],
    },
    finds: ["wrong"],
    shows: "a Job works on a message that the bus may expire, or give to another receiver",
  },
  {
    name: "own-turn",
    guard: "each settlement on a link has a turn of the event loop of its own",
    removal: [{ guard: "own-turn", put: "" }],
    scenario: {
      story:
        "an accepted message and a later one that is held wait for one answer of the table, and are then deferred at once",
      replicas: 1,
      async play({ script, send, sendMany, until }) {
        await send("success");
        await sendMany("reject: schema", REJECTIONS_TO_SHUT);
        await until("the gate is shut", ({ closed }) => closed.length === 1 + REJECTIONS_TO_SHUT);
        // Only a process that has just started asks the table who the owner is, whose name is in each stamp.
        const idle = await script.catch("list the jobs", "before");
        const asking = script.catch("read the owner", "after");
        const creating = script.catch("create a job", "before");
        idle.kill();
        const asked = await asking;
        // The client takes deliveries for one only if they are settled in their order.
        const [, held] = [await inserted(script, send("success")), await inserted(script, send("reject: schema"))];
        await until("both have rows", ({ open }) => open.length === 2);
        asked.goOn();
        const created = await creating;
        const { bus } = await until("both are deferred", (now) => now.bus.every(({ state }) => state === "deferred"));
        wrongStamps = bus
          .filter(({ messageId, stamps }) => stamps.attempt !== (messageId === held ? 0 : 1))
          .map(({ messageId, stamps }) => ({
            kind: "wrong",
            about: messageId,
            what: `it was deferred with the stamp of attempt ${stamps.attempt}, which is its neighbour's`,
          }));
        created.goOn();
        // The gate opens, so that what is held can end.
        await send("permanent");
      },
      alsoFinds: async () => wrongStamps,
    },
    finds: ["wrong"],
    shows: "one of the two has the other's stamp",
  },
  {
    name: "left-delivery-renews-link",
    guard: "a link is replaced when 1,000 deliveries came after one that is not settled on it",
    removal: [{ guard: "left-delivery-renews-link", put: "" }],
    scenario: {
      story: `a delivery is left, because the table refuses its row, and ${(LINK_STALLS_AFTER + 150).toLocaleString("en")} messages follow`,
      replicas: 1,
      hasManyRows: true,
      async play({ script, send, sendMany, until }) {
        script.answer("insert a run", 409, { times: Number.POSITIVE_INFINITY });
        await send("success");
        await until("it comes again", ({ bus }) => bus.some(({ deliveryCount = 0 }) => deliveryCount > 1));
        script.stopAnswering();
        await until("it is done", ({ closed }) => closed.length === 1);
        await sendMany("reject: no module", LINK_STALLS_AFTER + 150);
      },
    },
    finds: ["open"],
    shows: "the link stalls for ever, and no message comes over it any more",
  },
  {
    name: "withdraw-what-was-not-claimed",
    guard: "the run of a dead letter that was not deferred in time is withdrawn, and the letter noted again",
    removal: [{ guard: "withdraw-what-was-not-claimed", put: 'return leave("trigger-at-work", until);' }],
    without: [NO_HALF_CLAIMED],
    isWatched: true,
    scenario: HALF_CLAIMED,
    finds: ["open"],
    shows: "the run waits for ever, and nobody can redrive its letter",
  },
  {
    name: "half-claimed",
    guard: "who receives a dead letter whose run was begun, and which was not deferred then, makes up for that",
    removal: [NO_HALF_CLAIMED],
    without: [{ guard: "withdraw-what-was-not-claimed", put: 'return leave("trigger-at-work", until);' }],
    isWatched: true,
    scenario: HALF_CLAIMED,
    finds: ["open"],
    shows: "the run waits for ever, and nobody can redrive its letter",
  },
];
