import { expect, it } from "vitest";
import { once } from "../../shared/once.ts";

it("makes one value for all who ask, at once or later", async () => {
  let made = 0;
  const value = once(() => Promise.resolve((made += 1)));
  expect(made).toBe(0);
  expect(await Promise.all([value(), value()])).toEqual([1, 1]);
  expect(await value()).toBe(1);
});

it("rejects all who wait for a value that can't be made, and makes another for the next", async () => {
  let tries = 0;
  const value = once(async () => {
    tries += 1;
    if (tries === 1) throw new Error("away");
    return tries;
  });
  const [first, second] = await Promise.allSettled([value(), value()]);
  expect([first.status, second.status]).toEqual(["rejected", "rejected"]);
  expect(await value()).toBe(2);
});
