import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LockLostError } from "../../shared/errors.ts";
import type { MessageBroker } from "../../shared/ports/message-broker.ts";
import type { Properties } from "../../shared/run/message.ts";
import type { RunKey } from "../../shared/run/run.ts";
import type { Source } from "../../shared/run/source.ts";
import type { MessageToSend } from "../support/fake-entity.ts";

/** A message as a trigger receives it. The delivery count starts at 0. */
interface HeldMessage {
  readonly sequenceNumber: number;
  readonly enqueuedAt: number;
  readonly lockToken: string;
  readonly deliveryCount: number;
}

interface FoundDeadLetter {
  readonly reason: string;
  readonly description: string;
  readonly properties: Properties;
  readonly body: Uint8Array;
  readonly deliveryCount: number;
}

/** A broker with one empty source, whose locks last a minute by a clock that the test moves. */
export interface BrokerHarness {
  readonly broker: MessageBroker;
  readonly source: Source;
  send(message: MessageToSend): Promise<void>;
  /** Receives the oldest active message, as a trigger does. Rejects if none comes. */
  receive(): Promise<HeldMessage>;
  /** Lets another receiver lock a deferred message. */
  lockDeferred(sequenceNumber: number): Promise<string>;
  /**
   * The delivery count that another receiver of a deferred message sees. It abandons the message afterwards, which
   * counts once more.
   */
  deliveryCountOfDeferred(sequenceNumber: number): Promise<number>;
  passTime(ms: number): void;
  deadLetters(): Promise<FoundDeadLetter[]>;
  close(): Promise<void>;
}

const LETTER = { reason: "JobFailed", description: "exit code 1", properties: { "dispatcher-attempt": 4, run: "q:1" } };
const BINARY = Uint8Array.from({ length: 256 }, (_, index) => index);

/** Checks the rules of the port on the fake and on the adapter alike. */
export function describeMessageBroker(name: string, open: () => Promise<BrokerHarness>): void {
  describe(`${name} as a message broker`, () => {
    let harness: BrokerHarness;
    beforeEach(async () => {
      harness = await open();
    });
    afterEach(() => harness.close());

    const deferOne = async (message: MessageToSend = {}, stamp: Properties = {}): Promise<RunKey> => {
      await harness.send(message);
      const { sequenceNumber, enqueuedAt, lockToken } = await harness.receive();
      await harness.broker.defer(harness.source, lockToken, stamp);
      return { source: harness.source, sequenceNumber, enqueuedAt };
    };
    const peek = (key: { sequenceNumber: number }) => harness.broker.peek(harness.source, key.sequenceNumber);

    describe("with a lock token", () => {
      it("defers by the token alone, and stamps", async () => {
        const key = await deferOne({ body: "hello", properties: { color: "red" } }, { "dispatcher-owner": "me", n: 3 });
        const message = await peek(key);
        expect(message).toMatchObject({
          state: "deferred",
          sequenceNumber: key.sequenceNumber,
          enqueuedAt: key.enqueuedAt,
        });
        expect(message?.properties).toEqual({ color: "red", "dispatcher-owner": "me", n: 3 });
      });

      it("completes by the token alone", async () => {
        await harness.send({});
        const held = await harness.receive();
        await harness.broker.completeLocked(harness.source, held.lockToken);
        expect(await peek(held)).toBeUndefined();
        expect(await harness.deadLetters()).toEqual([]);
      });

      it("dead-letters by the token alone, with reason, description and properties", async () => {
        await harness.send({ body: BINARY });
        const held = await harness.receive();
        await harness.broker.deadLetterLocked(harness.source, held.lockToken, LETTER);
        expect(await peek(held)).toBeUndefined();
        const [letter, ...others] = await harness.deadLetters();
        expect(others).toEqual([]);
        expect(letter).toMatchObject({ reason: LETTER.reason, description: LETTER.description });
        expect(letter?.properties).toMatchObject(LETTER.properties);
        expect([...(letter?.body ?? [])]).toEqual([...BINARY]);
      });

      it("says that the lock is lost if the token is dead", async () => {
        await harness.send({});
        const { lockToken } = await harness.receive();
        const { broker, source } = harness;
        await broker.completeLocked(source, lockToken);
        await expect(broker.defer(source, lockToken, {})).rejects.toBeInstanceOf(LockLostError);
        await expect(broker.completeLocked(source, lockToken)).rejects.toBeInstanceOf(LockLostError);
        await expect(broker.deadLetterLocked(source, lockToken, LETTER)).rejects.toBeInstanceOf(LockLostError);
        await expect(broker.defer(source, "3f2b0f0e-0000-4000-8000-00000000abcd", {})).rejects.toBeInstanceOf(
          LockLostError,
        );
      });

      it("hands a message out again when its lock has lapsed, and counts that", async () => {
        await harness.send({});
        const first = await harness.receive();
        harness.passTime(61_000);
        const second = await harness.receive();
        expect([first.deliveryCount, second.deliveryCount]).toEqual([0, 1]);
        expect(second.sequenceNumber).toBe(first.sequenceNumber);
        await expect(harness.broker.defer(harness.source, first.lockToken, {})).rejects.toBeInstanceOf(LockLostError);
        await harness.broker.defer(harness.source, second.lockToken, {});
      });
    });

    describe("with a sequence number", () => {
      it("completes a deferred message", async () => {
        const key = await deferOne();
        expect(await harness.broker.completeDeferred(key)).toBe("done");
        expect(await peek(key)).toBeUndefined();
        expect(await harness.deadLetters()).toEqual([]);
      });

      it("requeues: it stays deferred, carries the stamp, and counts the defer and the requeue", async () => {
        const key = await deferOne({ properties: { color: "red" } }, { "dispatcher-owner": "me" });
        expect(await harness.broker.requeueDeferred(key, { "dispatcher-attempt": 2 })).toBe("done");
        expect(await harness.broker.requeueDeferred(key, { "dispatcher-attempt": 3 })).toBe("done");
        const message = await peek(key);
        expect(message?.state).toBe("deferred");
        expect(message?.properties).toEqual({ color: "red", "dispatcher-owner": "me", "dispatcher-attempt": 3 });
        expect(await harness.deliveryCountOfDeferred(key.sequenceNumber)).toBe(3);
      });

      it("dead-letters a deferred message, with its delivery count", async () => {
        const key = await deferOne({ body: BINARY }, { "dispatcher-owner": "me" });
        expect(await harness.broker.deadLetterDeferred(key, LETTER)).toBe("done");
        const [letter] = await harness.deadLetters();
        expect(letter).toMatchObject({ reason: LETTER.reason, description: LETTER.description, deliveryCount: 1 });
        expect(letter?.properties).toMatchObject({ ...LETTER.properties, "dispatcher-owner": "me" });
        expect([...(letter?.body ?? [])]).toEqual([...BINARY]);
      });

      it("empties a fact without a value in a dead letter if the sender set it, and adds none otherwise", async () => {
        const key = await deferOne({ properties: { "dispatcher-logs": "https://forged", color: "red" } });
        const properties = {
          "dispatcher-logs": undefined,
          "dispatcher-exit-code": undefined,
          "dispatcher-failures": 1,
        };
        expect(await harness.broker.deadLetterDeferred(key, { ...LETTER, properties })).toBe("done");
        const [letter] = await harness.deadLetters();
        expect(letter?.properties).toMatchObject({ "dispatcher-logs": "", "dispatcher-failures": 1 });
        expect(letter?.properties).not.toHaveProperty("dispatcher-exit-code");
      });

      const settlements: [string, (key: RunKey) => Promise<string>][] = [
        ["completeDeferred", (key) => harness.broker.completeDeferred(key)],
        ["requeueDeferred", (key) => harness.broker.requeueDeferred(key, { touched: true })],
        ["deadLetterDeferred", (key) => harness.broker.deadLetterDeferred(key, LETTER)],
      ];
      it.each(settlements)("%s: missing, if no message has this number", async (_name, settle) => {
        expect(await settle({ source: harness.source, sequenceNumber: 99, enqueuedAt: 1 })).toBe("missing");
      });

      it.each(settlements)("%s: missing, if it is settled already", async (_name, settle) => {
        const key = await deferOne();
        await harness.broker.completeDeferred(key);
        expect(await settle(key)).toBe("missing");
        expect(await harness.deadLetters()).toEqual([]);
      });

      it.each(settlements)("%s: missing, if it was never deferred", async (_name, settle) => {
        await harness.send({});
        const held = await harness.receive();
        expect(await settle({ ...held, source: harness.source })).toBe("missing");
        await harness.broker.defer(harness.source, held.lockToken, {});
      });

      it.each(settlements)(
        "%s: missing, while another receiver has its lock; and done after",
        async (_name, settle) => {
          const key = await deferOne();
          await harness.lockDeferred(key.sequenceNumber);
          expect(await settle(key)).toBe("missing");
          expect((await peek(key))?.state).toBe("deferred");
          harness.passTime(61_000);
          expect(await settle(key)).toBe("done");
        },
      );

      it.each(settlements)(
        "%s: missing, and nothing done, where another message has the number",
        async (_name, settle) => {
          const key = await deferOne({ body: "mine" });
          expect(await settle({ ...key, enqueuedAt: key.enqueuedAt - 1 })).toBe("missing");
          expect(await peek(key)).toMatchObject({ state: "deferred", properties: {} });
          expect(await harness.deadLetters()).toEqual([]);
          // The broker gave it back at once, so no receiver has to wait for a lock to lapse.
          expect(await harness.broker.completeDeferred(key)).toBe("done");
        },
      );

      it("keeps a deferred message past its time, but settles none whose time is over", async () => {
        const key = await deferOne({ ttlMs: 30_000 });
        harness.passTime(31_000);
        expect((await peek(key))?.state).toBe("deferred");
        expect(await harness.broker.completeDeferred(key)).toBe("missing");
        expect(await peek(key)).toBeUndefined();
      });
    });

    describe("in the dead letter queue", () => {
      const lettersOf = () => ({ deadLettersOf: harness.source });
      /** Sends messages with these ids, and dead-letters each. */
      const letter = async (...messageIds: string[]): Promise<void> => {
        for (const messageId of messageIds) {
          await harness.send({ messageId, body: BINARY, properties: { color: "red" } });
          const { lockToken } = await harness.receive();
          await harness.broker.deadLetterLocked(harness.source, lockToken, LETTER);
        }
      };
      /** Receives the only letter, and defers it. */
      const deferLetter = async (stamp: Properties = {}) => {
        const [received] = await harness.broker.receiveLetters(lettersOf(), 1);
        if (received === undefined) throw new Error("No letter came.");
        const { sequenceNumber, enqueuedAt, lockToken } = received;
        await harness.broker.defer(lettersOf(), lockToken, stamp);
        return { source: lettersOf(), sequenceNumber, enqueuedAt };
      };
      const peekLetter = (sequenceNumber: number) => harness.broker.peek(lettersOf(), sequenceNumber);

      it("receives letters in order, whole, and none twice while their locks last", async () => {
        await letter("a", "b", "c");
        const received = await harness.broker.receiveLetters(lettersOf(), 2);
        expect(received.map(({ messageId }) => messageId)).toEqual(["a", "b"]);
        expect(received[0]).toMatchObject({
          state: "active",
          properties: { color: "red", DeadLetterReason: LETTER.reason, DeadLetterErrorDescription: LETTER.description },
        });
        expect([...(received[0]?.body ?? [])]).toEqual([...BINARY]);
        const rest = await harness.broker.receiveLetters(lettersOf(), 2);
        expect(rest.map(({ messageId }) => messageId)).toEqual(["c"]);
        expect(await harness.broker.receiveLetters(lettersOf(), 2)).toEqual([]);
        harness.passTime(61_000);
        const again = await harness.broker.receiveLetters(lettersOf(), 3);
        expect(again.map(({ messageId }) => messageId)).toEqual(["a", "b", "c"]);
      });

      it("completes one letter, and gives another back, which comes again", async () => {
        await letter("a", "b");
        const { broker } = harness;
        const [first, second] = await broker.receiveLetters(lettersOf(), 2);
        await broker.completeLocked(lettersOf(), first?.lockToken ?? "");
        await broker.giveBack(lettersOf(), second?.lockToken ?? "");
        const again = await broker.receiveLetters(lettersOf(), 2);
        expect(again.map(({ messageId }) => messageId)).toEqual(["b"]);
        await broker.completeLocked(lettersOf(), again[0]?.lockToken ?? "");
        const dead = first?.lockToken ?? "";
        await expect(broker.completeLocked(lettersOf(), dead)).rejects.toBeInstanceOf(LockLostError);
        await expect(broker.giveBack(lettersOf(), dead)).rejects.toBeInstanceOf(LockLostError);
        expect(await broker.browse(lettersOf(), 1, 9)).toEqual([]);
      });

      it("defers a letter, shows it by its number, requeues it with a stamp, and completes it", async () => {
        await letter("a");
        const key = await deferLetter({ step: 1 });
        expect(await peekLetter(key.sequenceNumber)).toMatchObject({
          state: "deferred",
          messageId: "a",
          enqueuedAt: key.enqueuedAt,
          properties: { color: "red", step: 1, DeadLetterReason: LETTER.reason },
        });
        expect(await harness.broker.receiveLetters(lettersOf(), 1)).toEqual([]);
        expect(await harness.broker.requeueDeferred(key, { step: 2 })).toBe("done");
        expect(await peekLetter(key.sequenceNumber)).toMatchObject({ state: "deferred", properties: { step: 2 } });
        expect(await harness.broker.completeDeferred(key)).toBe("done");
        expect(await peekLetter(key.sequenceNumber)).toBeUndefined();
        expect(await harness.broker.completeDeferred(key)).toBe("missing");
      });

      it("keeps the delivery count of a letter", async () => {
        await letter("a");
        const key = await deferLetter();
        const [before] = await harness.deadLetters();
        await harness.broker.requeueDeferred(key, { step: 1 });
        await harness.broker.requeueDeferred(key, { step: 2 });
        expect((await harness.deadLetters())[0]?.deliveryCount).toBe(before?.deliveryCount);
      });

      it("does nothing if another letter has the number, and gives it back", async () => {
        await letter("a");
        const key = await deferLetter();
        expect(await harness.broker.completeDeferred({ ...key, enqueuedAt: key.enqueuedAt - 1 })).toBe("missing");
        expect(await harness.broker.completeDeferred(key)).toBe("done");
      });

      it("knows no letter by the number of a message in the source, nor the other way round", async () => {
        const message = await deferOne();
        await letter("a");
        const dead = await deferLetter();
        expect(await harness.broker.completeDeferred({ ...message, source: lettersOf() })).toBe("missing");
        expect(await harness.broker.completeDeferred({ ...dead, source: harness.source })).toBe("missing");
        expect((await peek(message))?.state).toBe("deferred");
        expect((await peekLetter(dead.sequenceNumber))?.state).toBe("deferred");
      });

      it("browses letters of every state in order", async () => {
        await letter("a", "b");
        await deferLetter();
        const found = await harness.broker.browse(lettersOf(), 1, 10);
        expect(found.map(({ messageId, state }) => [messageId, state])).toEqual([
          ["a", "deferred"],
          ["b", "active"],
        ]);
      });

      it("says that the lock is lost if the token is dead", async () => {
        await letter("a");
        const [received] = await harness.broker.receiveLetters(lettersOf(), 1);
        harness.passTime(61_000);
        const lockToken = received?.lockToken ?? "";
        await expect(harness.broker.defer(lettersOf(), lockToken, {})).rejects.toBeInstanceOf(LockLostError);
      });
    });

    describe("peeking", () => {
      it("shows exactly this message, and none if no message has its number", async () => {
        await harness.send({ messageId: "a" });
        await harness.send({ messageId: "b" });
        const first = await harness.receive();
        await harness.broker.completeLocked(harness.source, first.lockToken);
        expect(await peek(first)).toBeUndefined();
        expect(await peek({ sequenceNumber: first.sequenceNumber + 1 })).toMatchObject({
          messageId: "b",
          state: "active",
        });
        expect(await peek({ sequenceNumber: first.sequenceNumber + 2 })).toBeUndefined();
      });

      it("shows everything a sender wrote, and the time it expires", async () => {
        await harness.send({
          body: BINARY,
          messageId: "id ✓ $(NAME)",
          correlationId: "corr",
          subject: "image.uploaded",
          contentType: "application/octet-stream",
          properties: { text: "ü", number: 5, negative: -7, fraction: 1.5, yes: true, no: false },
          ttlMs: 3_600_000,
        });
        const held = await harness.receive();
        const message = await peek(held);
        expect(message).toMatchObject({
          messageId: "id ✓ $(NAME)",
          correlationId: "corr",
          subject: "image.uploaded",
          contentType: "application/octet-stream",
          properties: { text: "ü", number: 5, negative: -7, fraction: 1.5, yes: true, no: false },
          enqueuedAt: held.enqueuedAt,
          expiresAt: held.enqueuedAt + 3_600_000,
        });
        expect([...(message?.body ?? [])]).toEqual([...BINARY]);
      });

      it("shows a message that never expires without a time", async () => {
        const key = await deferOne();
        expect(await peek(key)).not.toHaveProperty("expiresAt");
      });

      it.each([
        ["", "an empty body"],
        ['{"a":', "broken JSON"],
        ['{"a":1}', "JSON"],
        ["\0ü", "NUL"],
      ])("hands over %j (%s) byte for byte", async (body) => {
        const key = await deferOne({ body: new TextEncoder().encode(body) });
        expect(new TextDecoder().decode((await peek(key))?.body)).toBe(body);
      });

      it("browses in order, page by page", async () => {
        for (let n = 1; n <= 7; n += 1) await harness.send({ messageId: `m-${n}` });
        const { broker, source } = harness;
        const ids = async (from: number, count: number) =>
          (await broker.browse(source, from, count)).map(({ messageId }) => messageId);
        expect(await ids(1, 3)).toEqual(["m-1", "m-2", "m-3"]);
        expect(await ids(4, 100)).toEqual(["m-4", "m-5", "m-6", "m-7"]);
        expect(await ids(8, 100)).toEqual([]);
      });
    });

    describe("if properties have no space left", () => {
      const full = { filler: "x".repeat(31_000), more: "y".repeat(31_000) };
      const long = { reason: "JobFailed", description: "d".repeat(3_000), properties: { log: "l".repeat(20_000) } };

      it("sends the dead letter with its reason and description alone", async () => {
        const key = await deferOne({ properties: { filler: "x".repeat(30_000), more: "y".repeat(20_000) } });
        expect(await harness.broker.deadLetterDeferred(key, long)).toBe("done");
        const [letter] = await harness.deadLetters();
        expect(letter).toMatchObject({ reason: long.reason, description: long.description });
        expect(letter?.properties).not.toHaveProperty("log");
      });

      it("sends the dead letter with its reason alone", async () => {
        const key = await deferOne({ properties: full });
        expect(await harness.broker.deadLetterDeferred(key, long)).toBe("done");
        expect(await harness.deadLetters()).toMatchObject([{ reason: long.reason, description: "" }]);
      });

      it("dead-letters by token as well, though the space can't be known before", async () => {
        await harness.send({ properties: full });
        const { lockToken } = await harness.receive();
        await harness.broker.deadLetterLocked(harness.source, lockToken, long);
        expect(await harness.deadLetters()).toMatchObject([{ reason: long.reason }]);
      });

      it("requeues and defers without the stamp", async () => {
        const stamp = { "dispatcher-last-error": "e".repeat(10_000) };
        const key = await deferOne({ properties: full }, stamp);
        expect(await harness.broker.requeueDeferred(key, stamp)).toBe("done");
        expect(await peek(key)).toMatchObject({ state: "deferred", properties: full });
        expect(await harness.deliveryCountOfDeferred(key.sequenceNumber)).toBe(2);
      });

      it("empties an owner that the sender forged, and no other stamp", async () => {
        const stamp = { "dispatcher-owner": "me".repeat(2_000), "dispatcher-attempt": 1 };
        const forged = { ...full, "dispatcher-owner": "you", "dispatcher-attempt": 7 };
        const key = await deferOne({ properties: forged }, stamp);
        expect((await peek(key))?.properties).toEqual({ ...forged, "dispatcher-owner": "" });
        const other = await deferOne({ properties: full }, stamp);
        expect(await peek(other)).toMatchObject({ state: "deferred", properties: full });
      });

      it("empties the owner of another instance when it requeues", async () => {
        const key = await deferOne({ properties: { ...full, "dispatcher-owner": "you" } });
        expect(await harness.broker.requeueDeferred(key, { "dispatcher-attempt": "x".repeat(5_000) })).toBe("done");
        expect((await peek(key))?.properties).toMatchObject({ "dispatcher-owner": "you" });
        expect(await harness.broker.requeueDeferred(key, { "dispatcher-owner": "me".repeat(2_000) })).toBe("done");
        expect((await peek(key))?.properties).toMatchObject({ "dispatcher-owner": "" });
      });

      it("cuts reason and description to 4,096 characters", async () => {
        const key = await deferOne();
        await harness.broker.deadLetterDeferred(key, {
          reason: "r".repeat(5000),
          description: "d".repeat(5000),
          properties: {},
        });
        expect(await harness.deadLetters()).toMatchObject([
          { reason: "r".repeat(4096), description: "d".repeat(4096) },
        ]);
      });
    });

    it("verifies a source that exists", async () => {
      await harness.send({});
      await harness.broker.verify(harness.source);
      const held = await harness.receive();
      expect(held.deliveryCount).toBe(0);
    });
  });
}
