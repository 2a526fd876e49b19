import { beforeEach, describe, expect, it } from "vitest";
import type { PayloadStore } from "../../shared/ports/payload-store.ts";
import type { RunKey } from "../../shared/run/run.ts";
import { aRun, T0 } from "../support/a-run.ts";

export interface PayloadSetup {
  readonly store: PayloadStore;
  /** The content at the URL that a Job would get; undefined if there is none. */
  read(url: string): Promise<Uint8Array | undefined>;
}

/** Checks the rules of a PayloadStore, whatever holds its bytes. */
export function describePayloadStore(name: string, make: () => Promise<PayloadSetup>): void {
  describe(`${name} as a PayloadStore`, () => {
    let store: PayloadStore;
    let body: (key: RunKey) => Promise<Uint8Array | undefined>;
    beforeEach(async () => {
      const setup = await make();
      store = setup.store;
      body = async (key) => setup.read(await store.signedBodyUrl(key, 60_000));
    });

    it.each([
      { what: "every byte there is", bytes: Uint8Array.from({ length: 256 }, (_, n) => n) },
      { what: "no bytes", bytes: new Uint8Array() },
      { what: "300 KB", bytes: new Uint8Array(300_000).fill(7) },
    ])("gives back a body of $what", async ({ bytes }) => {
      await store.putBody(aRun(), bytes);
      expect(Buffer.compare((await body(aRun())) ?? Buffer.from("nothing"), bytes)).toBe(0);
    });

    it("stores the same body again without complaint", async () => {
      await store.putBody(aRun(), Buffer.from("same"));
      await store.putBody(aRun(), Buffer.from("same"));
      expect(Buffer.from((await body(aRun())) ?? []).toString()).toBe("same");
    });

    it.each<{ what: string; other: Partial<RunKey> }>([
      { what: "a recreated entity's message of the same number", other: { enqueuedAt: T0 + 1 } },
      { what: "another message", other: { sequenceNumber: 43 } },
      { what: "another queue", other: { source: { queue: "thumb/nails" } } },
      { what: "a topic", other: { source: { topic: "thumbnails", subscription: "thumbnails" } } },
    ])("keeps a run's body apart from that of $what", async ({ other }) => {
      await store.putBody(aRun(), Buffer.from("mine"));
      await store.putBody({ ...aRun(), ...other }, Buffer.from("other"));
      await store.deleteBody({ ...aRun(), ...other });
      expect(Buffer.from((await body(aRun())) ?? []).toString()).toBe("mine");
    });

    it("holds source names that differ only in case for one", async () => {
      await store.putBody(aRun({ source: { queue: "Thumbnails" } }), Buffer.from("x"));
      expect(await body(aRun({ source: { queue: "thumbnails" } }))).toBeDefined();
    });

    it("deletes a body, and does nothing if there is none", async () => {
      await store.deleteBody(aRun());
      await store.putBody(aRun(), Buffer.from("x"));
      await store.deleteBody(aRun());
      expect(await body(aRun())).toBeUndefined();
      await store.deleteBody(aRun());
    });

    it("lists the bodies of one source, and of no other", async () => {
      const { source, sequenceNumber, enqueuedAt } = aRun();
      const other = { source: { topic: "thumbnails", subscription: "s" }, sequenceNumber, enqueuedAt };
      expect(await store.listBodies(source, 10)).toEqual({ bodies: [] });
      for (const key of [aRun(), aRun({ sequenceNumber: 43 }), other]) await store.putBody(key, Buffer.from("x"));
      await store.putBody({ ...aRun(), source: { queue: "thumbnails-2" } }, Buffer.from("x"));
      await store.deleteBody(aRun({ sequenceNumber: 43 }));
      expect((await store.listBodies(source, 10)).bodies.map(({ key }) => key)).toEqual([
        { source, sequenceNumber, enqueuedAt },
      ]);
      expect((await store.listBodies(other.source, 10)).bodies.map(({ key }) => key)).toEqual([other]);
    });

    it("keeps the body of a redriven run apart from that of the run before", async () => {
      const { source, sequenceNumber, enqueuedAt } = aRun();
      const redriven = { source, sequenceNumber, enqueuedAt, redrive: 12 };
      await store.putBody(aRun(), Buffer.from("first"));
      await store.putBody(redriven, Buffer.from("again"));
      expect((await store.listBodies(source, 10)).bodies.map(({ key }) => key)).toEqual([
        { source, sequenceNumber, enqueuedAt },
        redriven,
      ]);
      await store.deleteBody(aRun());
      expect(Buffer.from((await body(redriven)) ?? []).toString()).toBe("again");
      await store.putLog(redriven, 1, "worker", Buffer.from("done"));
      expect(await store.keptLogs(aRun(), 1, 100)).toEqual([]);
      expect(await store.keptLogs(redriven, 1, 100)).toMatchObject([{ container: "worker" }]);
    });

    it("lists the bodies of a source page by page", async () => {
      const { source } = aRun();
      for (const sequenceNumber of [1, 2, 3]) await store.putBody(aRun({ sequenceNumber }), Buffer.from("x"));
      const first = await store.listBodies(source, 2);
      const second = await store.listBodies(source, 2, first.next);
      expect([first, second].map(({ bodies }) => bodies.map(({ key }) => key.sequenceNumber))).toEqual([[1, 2], [3]]);
      expect(second.next).toBeUndefined();
    });

    it("deletes the version of a body that was listed, and not one that was stored since", async () => {
      await store.putBody(aRun(), Buffer.from("late"));
      const [listed] = (await store.listBodies(aRun().source, 10)).bodies;
      await store.putBody(aRun(), Buffer.from("anew"));
      await store.deleteBody(aRun(), listed?.version);
      expect(Buffer.from((await body(aRun())) ?? []).toString()).toBe("anew");
      const [again] = (await store.listBodies(aRun().source, 10)).bodies;
      await store.deleteBody(aRun(), again?.version);
      expect(await store.listBodies(aRun().source, 10)).toEqual({ bodies: [] });
      await store.deleteBody(aRun(), again?.version);
    });

    it("puts nothing of the sender's into a URL, and no signature into that of a log", async () => {
      const run = aRun({ messageId: "sender-id", subject: "sender-subject", correlationId: "sender-correlation" });
      const url = await store.putLog(run, 2, "main", Buffer.from("line\n"));
      expect(url).not.toContain("?");
      expect(`${url} ${await store.signedBodyUrl(run, 60_000)}`).not.toContain("sender");
      expect(url).toMatch(/attempt-2\/main\.log$/);
    });

    it("gives every log of a run a URL of its own", async () => {
      const log = Buffer.from("line\n");
      const urls = [
        await store.putLog(aRun(), 1, "main", log),
        await store.putLog(aRun(), 2, "main", log),
        await store.putLog(aRun(), 1, "prepare", log),
        await store.putLog(aRun({ sequenceNumber: 43 }), 1, "main", log),
      ];
      expect(new Set(urls).size).toBe(4);
      expect(await store.putLog(aRun(), 1, "main", log)).toBe(urls[0]);
    });

    it("reads the logs of an attempt, and of no other", async () => {
      expect(await store.keptLogs(aRun(), 1, 1_000)).toEqual([]);
      await store.putLog(aRun(), 1, "main", Buffer.from("first try\n"));
      await store.putLog(aRun(), 1, "Side_car", Buffer.from("ключ\n"));
      await store.putLog(aRun(), 1, "main", Buffer.from("line\n"));
      await store.putLog(aRun(), 12, "main", Buffer.from("other\n"));
      await store.putLog(aRun({ sequenceNumber: 43 }), 1, "main", Buffer.from("other\n"));
      const logs = async (maxBytes: number) =>
        (await store.keptLogs(aRun(), 1, maxBytes))
          .map(({ container, log, isCut }) => [container, Buffer.from(log).toString(), isCut] as const)
          .toSorted(([a], [b]) => (a < b ? -1 : 1));
      expect(await logs(1_000)).toEqual([
        ["Side_car", "ключ\n", false],
        ["main", "line\n", false],
      ]);
      expect(await logs(3)).toEqual([
        ["Side_car", "ч\n", true],
        ["main", "ne\n", true],
      ]);
    });

    it("can be asked whether it works", async () => {
      await expect(store.verify()).resolves.toBeUndefined();
    });
  });
}
