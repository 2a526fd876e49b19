import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { makeWorld } from "../../support/world.ts";

/** What an invocation writes of itself, whatever happens in it. */
const OF_TICKS = ["reconciled", "watched"];

it("are as many as docs/operate.md says, and so are those that Azure gets by default", async () => {
  const world = makeWorld();
  await world.send();
  const ofTrigger = world.lines.splice(0);
  world.cluster.succeed(world.jobName());
  await world.tick();
  const ofTick = world.lines.filter(({ message }) => !OF_TICKS.includes(String(message)));
  expect(world.closed()).toHaveLength(1);
  const sent = [...ofTrigger.filter(({ level }) => level !== "info"), ...ofTick];
  expect(sent.map(({ message }) => message)).toEqual(["closed a run"]);
  const page = readFileSync("docs/operate.md", "utf8").replaceAll(/\s+/g, " ");
  const [, all, kept] = /message whose first Job succeeds makes (\d+) lines, and (\d+) of them/.exec(page) ?? [];
  expect({ all: Number(all), kept: Number(kept) }).toEqual({
    all: ofTrigger.length + ofTick.length,
    kept: sent.length,
  });
});

it("of a message that the trigger dead-letters reach Azure, because the alerts count them", async () => {
  const world = makeWorld([]);
  await world.send();
  expect(world.lines.at(-1)).toMatchObject({ level: "warn", message: "handled a delivery", deadLettered: 1 });
});
