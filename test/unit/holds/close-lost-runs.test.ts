import { expect, it } from "vitest";
import { UnavailableError } from "../../../shared/errors.ts";
import { makeLog } from "../../../shared/log.ts";
import { makeOperator } from "../../../shared/operate/operator.ts";
import type { MessageBroker } from "../../../shared/ports/message-broker.ts";
import { aModule } from "../../support/a-module.ts";
import { BY_HAND } from "../../support/a-person.ts";
import { makeWorld, RETRY, SOURCE, type World } from "../../support/world.ts";

const DAY_MS = 86_400_000;

/** Accepts so many messages, which wait for a slot. */
async function acceptInLine(world: World, count: number): Promise<void> {
  const paused = world.makeReplica({ modules: new Map([["thumbnail", aModule({ retry: RETRY, maxActive: 0 })]]) });
  for (let sent = 0; sent < count; sent += 1)
    await paused.accept(world.broker.deliver(SOURCE, { body: Buffer.from("{}") }));
}

/** Holds the source, because its messages are missing, and accepts the loss. */
async function acceptLoss(world: World): Promise<void> {
  const now = world.clock.now();
  const missing = world.open().filter(({ status }) => status === "waiting");
  await world.table.holdSource(
    SOURCE,
    { because: "messages missing", since: now, confirmedAt: now, missing: missing.slice(-20) },
    undefined,
  );
  const operator = makeOperator(world.deps, makeLog({ info() {}, warn() {}, error() {} }));
  await operator.acceptLoss("thumbnails", BY_HAND);
}

const lost = (world: World) => world.closed().filter(({ status }) => status === "lost").length;
const holds = async ({ table }: World) => (await table.heldSources()).length;

it("closes the runs of an accepted loss at once, and waits for no back-off", async () => {
  const backoff = { firstMs: DAY_MS, maxMs: DAY_MS };
  const world = makeWorld([aModule({ retry: { ...RETRY, backoff }, maxActive: 100 })]);
  for (const _ of [1, 2, 3]) await world.send();
  for (const name of world.cluster.names()) world.cluster.fail(name);
  await world.tick();
  await acceptInLine(world, 20);
  for (let number = 2; number <= 23; number += 1) world.hide(number);
  await acceptLoss(world);
  await world.tick();
  expect(lost(world)).toBe(22);
  expect(await holds(world)).toBe(0);
  // The message of the run that stays is there, and new ones start again.
  await world.tick();
  await world.send();
  expect(world.open().map(({ status, attempt }) => `${status} ${attempt}`)).toEqual(["waiting 2", "dispatched 1"]);
});

it("goes on in the next tick if there are more runs than it has time for", async () => {
  const world = makeWorld([aModule({ retry: RETRY, maxActive: 0 })]);
  await acceptInLine(world, 430);
  for (let number = 401; number <= 430; number += 1) world.hide(number);
  await acceptLoss(world);
  const { broker } = world.deps;
  const peek: MessageBroker["peek"] = async (source, number) => {
    world.clock.advance(60);
    return broker.peek(source, number);
  };
  const { tick } = world.makeReplica({ broker: { ...broker, peek } });
  for (const expected of [0, 0, 30]) {
    await tick();
    expect(lost(world)).toBe(expected);
  }
  expect(await holds(world)).toBe(0);
});

it("keeps the hold until a run that it could not close is closed", async () => {
  const world = makeWorld([aModule({ retry: RETRY, maxActive: 0 })]);
  await acceptInLine(world, 12);
  for (let number = 1; number <= 12; number += 1) world.hide(number);
  await acceptLoss(world);
  world.table.failNext("close", new UnavailableError("no connection"));
  await world.tick();
  expect([lost(world), await holds(world)]).toEqual([11, 1]);
  await world.tick();
  expect([lost(world), await holds(world)]).toEqual([12, 0]);
});
