import { expect, test } from "vitest";
import { type EndsOf, paceOf } from "../../../shared/run/recent-ends.ts";

const NOW = 60_000;

test.each<[string, EndsOf, ReturnType<typeof paceOf>]>([
  ["nothing", { since: 0 }, { closed: 0, since: 0 }],
  ["what had no slot", { since: 0, rejected: 3 }, { closed: 0, since: 0 }],
  ["what had one", { since: 0, succeeded: 4, failed: 1, cancelled: 1 }, { closed: 6, since: 0, eachMs: 10_000 }],
  ["an end at once", { since: 0, firstAt: 0, succeeded: 6 }, { closed: 6, since: 0, eachMs: 10_000 }],
  [
    "a time without ends",
    { since: 0, firstAt: 30_000, succeeded: 6 },
    { closed: 6, since: 0, eachMs: 10_000, leastEachMs: 5_000 },
  ],
])("the pace of a module counts %s", (_, ends, pace) => {
  expect(paceOf(ends, NOW)).toEqual(pace);
});

test("the pace of a module is as fast as its slots let it be, if its Jobs take as long as they did", () => {
  const ends = { since: 0, succeeded: 6 };
  const took = { job: { count: 6, medianMs: 20_000, p95Ms: 30_000 } };
  expect(paceOf(ends, NOW, { took, slots: 5 })).toMatchObject({ eachMs: 10_000, leastEachMs: 4_000 });
  expect(paceOf(ends, NOW, { took, slots: 1 })).not.toHaveProperty("leastEachMs");
  expect(paceOf(ends, NOW, { took, slots: 0 })).not.toHaveProperty("leastEachMs");
  expect(paceOf(ends, NOW, { took: {}, slots: 5 })).not.toHaveProperty("leastEachMs");
});
