import { expect, it } from "vitest";
import { numberBefore } from "../../../../shared/operate/views/closed-since.ts";
import { aRun, T0 } from "../../../support/a-run.ts";

const DAY_MS = 86_400_000;
const { source } = aRun();

// Many numbers belong to messages of the topic that this subscription doesn't take.
const numbers = Array.from({ length: 20_000 }, (_, n) => n * 7 + 1 + (n >= 1_000 ? 50_000 : 0));

/**
 * Finds the place in a day on which a message came every second. Counts the requests, and how often the search waited
 * for those that it had sent at once.
 */
async function found(since: number) {
  let [requests, waits, underWay] = [0, 0, 0];
  const table = {
    async runBehind(_source: unknown, _day: number, behind: number) {
      requests += 1;
      waits += underWay === 0 ? 1 : 0;
      underWay += 1;
      await Promise.resolve();
      underWay -= 1;
      const n = numbers.findIndex((number) => number > behind);
      const sequenceNumber = numbers[n];
      return sequenceNumber === undefined ? undefined : { sequenceNumber, enqueuedAt: T0 + n * 1_000 };
    },
  };
  return { number: await numberBefore({ table }, source, { day: T0, since }), requests, waits };
}

it.each([1, 2, 500, 999, 1_000, 1_001, 19_900, 19_999])(
  "the closed runs of a day from the %ith second on begin shortly behind a number",
  async (n) => {
    const { number = 0, requests, waits } = await found(T0 + n * 1_000);
    const wanted = numbers[n] ?? 0;
    expect(number).toBeLessThan(wanted);
    expect(numbers.filter((one) => one > number && one < wanted).length).toBeLessThan(20);
    expect(requests).toBeLessThan(40);
    expect(waits).toBeLessThanOrEqual(10);
  },
);

it("the closed runs of a day that begins later begin with the first of them", async () => {
  expect(await found(T0)).toEqual({ number: undefined, requests: 1, waits: 1 });
});

it("if all closed runs of a day are too old, few of them are behind the number", async () => {
  const { number = 0 } = await found(T0 + DAY_MS);
  expect(numbers.filter((one) => one > number).length).toBeLessThan(20);
});
