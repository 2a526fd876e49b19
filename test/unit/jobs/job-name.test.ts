import { describe, expect, it } from "vitest";
import { jobName, MAX_JOB_NAME_LENGTH } from "../../../shared/jobs/job-name.ts";

const of = (over: Partial<Parameters<typeof jobName>[0]> = {}) =>
  jobName({
    module: "thumbnail",
    instance: "dispatcher",
    key: { source: { queue: "thumbnails" }, sequenceNumber: 42, enqueuedAt: 1_700_000_000_000 },
    attempt: 1,
    ...over,
  });

describe("the name of a Job", () => {
  it("says module, sequence number and attempt, and never changes", () => {
    expect(of()).toMatch(/^thumbnail-[\da-z]{10}-16-1$/);
    // Pinned: a release that names Jobs otherwise would start every open attempt a second time.
    expect(of()).toMatchInlineSnapshot(`"thumbnail-0gq2fjt4yx-16-1"`);
    expect(of({ attempt: 12 })).toBe(of().replace(/1$/, "12"));
  });

  const key = { source: { queue: "thumbnails" }, sequenceNumber: 42, enqueuedAt: 1_700_000_000_000 };
  it.each([
    { name: "another instance", over: { instance: "second" } },
    { name: "another source", over: { key: { ...key, source: { queue: "other" } } } },
    {
      name: "a subscription instead of a queue",
      over: { key: { ...key, source: { topic: "thumbnails", subscription: "x" } } },
    },
    { name: "the same number in a recreated entity", over: { key: { ...key, enqueuedAt: key.enqueuedAt + 1 } } },
    { name: "another message", over: { key: { ...key, sequenceNumber: 43 } } },
    { name: "another attempt", over: { attempt: 2 } },
    { name: "another module", over: { module: "thumbnails" } },
  ])("differs for $name", ({ over }) => {
    expect(of(over)).not.toBe(of());
  });

  it("is the same however the entity's name is spelled, for the bus ignores case", () => {
    expect(of({ key: { ...key, source: { queue: "ThumbNails" } } })).toBe(of());
  });

  it("keeps modules apart whose long names begin alike", () => {
    const module = "a".repeat(62);
    expect(of({ module: `${module}1` })).not.toBe(of({ module: `${module}2` }));
  });

  it.each(["a", "a".repeat(63), `${"a".repeat(27)}-${"b".repeat(30)}`, "Ünï_Code.", "---", "", "9", "x".repeat(5000)])(
    "is a DNS label short enough for untruncated pod names, for a module named %j",
    (module) => {
      const name = of({ module, attempt: 99_999, key: { ...key, sequenceNumber: Number.MAX_SAFE_INTEGER } });
      expect(name).toMatch(/^[a-z\d]([-a-z\d]*[a-z\d])?$/);
      expect(name.length).toBeLessThanOrEqual(MAX_JOB_NAME_LENGTH);
    },
  );
});
