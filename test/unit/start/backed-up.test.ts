import { describe, expect, it } from "vitest";
import type { Dependencies } from "../../../shared/dependencies.ts";
import { UnavailableError } from "../../../shared/errors.ts";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, SOURCE, ticks, type World } from "../../support/world.ts";

const MAX_ACTIVE = 10;
const SENT = 300;
/** A hundred runs that wait to be settled, and those that were started before the count said so. */
const MOST = 100 + 2 * MAX_ACTIVE;

const refused = () => Promise.reject(new UnavailableError("refused"));

const CASES: readonly { what: string; body: string; broken: (world: World) => Partial<Dependencies> }[] = [
  {
    what: "messages can't be completed",
    body: "{}",
    broken: ({ deps }) => ({ broker: { ...deps.broker, completeDeferred: refused } }),
  },
  {
    what: "stored bodies can't be deleted",
    body: "x".repeat(20_000),
    broken: ({ deps }) => ({ payloads: { ...deps.payloads, deleteBody: refused } }),
  },
];

const succeedAll = (world: World) => {
  for (const { status, jobName } of world.open())
    if (status === "dispatched" && jobName) world.cluster.succeed(jobName);
};

const linesOf = ({ lines }: World, start: string) => lines.filter(({ message }) => String(message).startsWith(start));

describe.each(CASES)("while $what", ({ body, broken }) => {
  it("a module starts no more Jobs than can be put away later, says so once, and goes on afterwards", async () => {
    const world = makeWorld([aModule({ retry: RETRY, maxActive: MAX_ACTIVE })]);
    for (let n = 0; n < SENT; n += 1)
      await world.accept(world.broker.deliver(SOURCE, { messageId: `m-${n}`, body: Buffer.from(body) }));
    const replica = world.makeReplica(broken(world));
    let most = 0;
    for (let tick = 0; tick < 40; tick += 1) {
      world.clock.advance(10_000);
      await replica.tick();
      succeedAll(world);
      most = Math.max(most, (await world.table.atWork(SOURCE)).runs.length);
    }
    expect(most).toBeGreaterThan(100);
    expect(most).toBeLessThanOrEqual(MOST);
    expect(world.lastTick()).toMatchObject({ waiting: { unsettled: expect.any(Number) } });
    expect(linesOf(world, "stopped starting jobs of a module")).toMatchObject([
      { level: "error", module: "thumbnail" },
    ]);
    const delivery = world.broker.deliver(SOURCE, { messageId: "new", body: Buffer.from(body) });
    expect(await replica.accept(delivery)).toBe("waiting");

    const mended = { ...world, tick: async () => (succeedAll(world), world.tick()) };
    await ticks(mended, () => world.open().length === 0, 600_000, 80);
    expect(world.closed()).toHaveLength(SENT + 1);
    expect(new Set(world.closed().map(({ status }) => status))).toEqual(new Set(["succeeded"]));
  });
});

it("single messages that another receiver keeps busy don't stop a module with one slot", async () => {
  const world = makeWorld([aModule({ retry: RETRY, maxActive: 1 })]);
  for (let n = 1; n <= 6; n += 1) await world.send({ messageId: `m-${n}` });
  const busy: Dependencies["broker"]["completeDeferred"] = async (key) =>
    key.sequenceNumber <= 5 ? "missing" : world.deps.broker.completeDeferred(key);
  const replica = world.makeReplica({ broker: { ...world.deps.broker, completeDeferred: busy } });
  const tick = async () => (succeedAll(world), replica.tick());
  await ticks({ ...world, tick }, () => world.closed().length > 0, 10_000, 30);
  expect(world.closed()).toMatchObject([{ messageId: "m-6" }]);
});
