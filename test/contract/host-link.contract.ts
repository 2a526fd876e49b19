import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { HostLink } from "../../shared/ports/host-link.ts";
import type { MessageBroker } from "../../shared/ports/message-broker.ts";
import type { Properties } from "../../shared/run/message.ts";
import type { Source } from "../../shared/run/source.ts";
import type { MessageToSend } from "../support/fake-entity.ts";

/** A message that was handed to a function, which runs until `end`. */
interface RunningDelivery {
  readonly sequenceNumber: number;
  readonly lockToken: string;
  /** Lets the function return. Resolves when the host has ended the invocation. */
  end(): Promise<void>;
}

/** A host with one source, and a broker that shows what became of a message. Locks last a minute. */
export interface HostLinkHarness {
  readonly link: HostLink;
  readonly broker: MessageBroker;
  readonly source: Source;
  /** Sends a message, and waits until its function runs. */
  deliver(message: MessageToSend): Promise<RunningDelivery>;
  passTime(ms: number): void;
  deadLetters(): Promise<{ readonly reason: string; readonly description: string; readonly properties: Properties }[]>;
  close(): Promise<void>;
}

const LETTER = { reason: "JobFailed", description: "exit code 1", properties: { "dispatcher-attempt": 4, run: "q:1" } };

/** Checks the rules of the port on the fake and on the adapters alike. */
export function describeHostLink(name: string, open: () => Promise<HostLinkHarness>): void {
  describe(`${name} as the host's link`, () => {
    let harness: HostLinkHarness;
    beforeEach(async () => {
      harness = await open();
    });
    afterEach(() => harness.close());
    const peek = ({ sequenceNumber }: RunningDelivery) => harness.broker.peek(harness.source, sequenceNumber);

    it("offers settlement", async () => {
      expect(await harness.link.problem()).toBeUndefined();
    });

    it("defers, and stamps with values of each kind", async () => {
      const delivery = await harness.deliver({ properties: { color: "red" } });
      const stamp = { "dispatcher-owner": "me", n: 3, big: 2 ** 40, half: 0.5, yes: true, text: "ü".repeat(200) };
      expect(await harness.link.defer(delivery.lockToken, stamp)).toEqual({ kind: "done" });
      expect(await peek(delivery)).toMatchObject({ state: "deferred", properties: { color: "red", ...stamp } });
    });

    it("completes", async () => {
      const delivery = await harness.deliver({});
      expect(await harness.link.complete(delivery.lockToken)).toEqual({ kind: "done" });
      expect(await peek(delivery)).toBeUndefined();
      expect(await harness.deadLetters()).toEqual([]);
    });

    it.each([LETTER, { ...LETTER, description: "" }, { ...LETTER, description: "d".repeat(5_000) }])(
      "dead-letters with reason, description and properties",
      async (letter) => {
        const delivery = await harness.deliver({});
        expect(await harness.link.deadLetter(delivery.lockToken, letter)).toEqual({ kind: "done" });
        expect(await peek(delivery)).toBeUndefined();
        const [found] = await harness.deadLetters();
        expect(found).toMatchObject({ reason: letter.reason, description: letter.description.slice(0, 4096) });
        expect(found?.properties).toMatchObject(letter.properties);
      },
    );

    it("settles neighbours each as asked, with its own stamp and reason, though all are settled at once", async () => {
      const deliveries = [];
      for (let n = 0; n < 12; n += 1) deliveries.push(await harness.deliver({ messageId: `m-${n}` }));
      const answers = await Promise.all(
        deliveries.map(({ lockToken }, n) => {
          if (n % 3 === 0) return harness.link.complete(lockToken);
          if (n % 3 === 1) return harness.link.defer(lockToken, { n });
          return harness.link.deadLetter(lockToken, { reason: `r-${n}`, description: "", properties: { n } });
        }),
      );
      expect(answers.filter(({ kind }) => kind !== "done")).toEqual([]);
      const left = await harness.broker.browse(harness.source, 1, 50);
      expect(left.map(({ messageId, state, properties }) => [messageId, state, properties["n"]])).toEqual(
        [1, 4, 7, 10].map((n) => [`m-${n}`, "deferred", n]),
      );
      const letters = await harness.deadLetters();
      expect(letters.map(({ reason, properties }) => [reason, properties["n"]])).toEqual(
        [2, 5, 8, 11].map((n) => [`r-${n}`, n]),
      );
    });

    it.each<[string, (link: HostLink, lockToken: string) => ReturnType<HostLink["complete"]>]>([
      ["defer", (link, lockToken) => link.defer(lockToken, {})],
      ["complete", (link, lockToken) => link.complete(lockToken)],
      ["dead-letter", (link, lockToken) => link.deadLetter(lockToken, LETTER)],
    ])("%s: is in doubt, and rejects not, if the lock is lost or already used", async (_name, settle) => {
      const delivery = await harness.deliver({});
      harness.passTime(61_000);
      expect(await settle(harness.link, delivery.lockToken)).toEqual({ kind: "in doubt", why: expect.any(String) });
      expect(await peek(delivery)).toMatchObject({ state: "active" });
    });

    it("is in doubt, and does nothing, when the invocation is over", async () => {
      const delivery = await harness.deliver({});
      await delivery.end();
      expect(await harness.link.defer(delivery.lockToken, {})).toEqual({ kind: "in doubt", why: expect.any(String) });
      expect(await peek(delivery)).toMatchObject({ state: "active" });
    });
  });
}
