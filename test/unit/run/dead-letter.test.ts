import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rejected } from "../../../shared/run/change-run.ts";
import { keyOnLetter, meantOf, notedLetter } from "../../../shared/run/dead-letter.ts";
import { describeEnd, detailOf } from "../../../shared/run/describe-end.ts";
import { failureGroup, lastWords } from "../../../shared/run/failure-group.ts";
import type { PeekedMessage } from "../../../shared/run/message.ts";
import { type AttemptEnd, runId } from "../../../shared/run/run.ts";
import { aRun, closing } from "../../support/a-run.ts";
import { PROPERTY_TIMEOUT_MS, propertyOptions } from "../../support/property-options.ts";

const groupOf = (detail: string, over: object = {}) =>
  failureGroup({ module: "m", reason: "JobFailed", exitCode: 1, detail, ...over });

/** Texts, with a number or an id between each two. */
function withIds(ids: fc.Arbitrary<string>) {
  const word = fc.stringMatching(/^[ -/:-@A-Za-zé\u202e]{0,30}$/).map((text) => ` ${text} `);
  return fc
    .array(word, { minLength: 1, maxLength: 4 })
    .chain((words) => fc.tuple(fc.constant(words), fc.array(fc.tuple(ids, ids), { minLength: 4, maxLength: 4 })))
    .map(([words, pairs]) => {
      const text = (which: 0 | 1) => words.map((each, at) => each + (pairs[at]?.[which] ?? "")).join("");
      return [text(0), text(1)] as const;
    });
}

const hex = (least: number, most: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdefABCDEF"), minLength: least, maxLength: most });

describe("the group of a failure", () => {
  it.each([
    ["work exited with code 1: disk 12 is full", "work exited with code #: disk # is full"],
    ["2026-01-02T03:04:05.678Z ERROR order 7f3c1b2a failed", "# ERROR order # failed"],
    ["no user 0b0f7a4e-7f3c-4a53-8f0e-2d7a3b1c9d11", "no user #"],
    ["no user abcdefab-cdef-abcd-efab-cdefabcdefab", "no user #"],
    ["connect ECONNREFUSED 10.0.0.12:5432", "connect ECONNREFUSED #"],
    ["object deadbeefcafe is gone, and 0xFF too", "object # is gone, and # too"],
    ["\u001b[31mERROR\u001b[0m: no\u0007\r\n such\tfile", "ERROR: no such file"],
    ["right\u202eto\u2066left", "right to left"],
    ["a decade of façades", "a decade of façades"],
    ["", ""],
  ])("of %j is %j", (detail, text) => {
    expect(groupOf(detail).text).toBe(text);
  });

  it("differs by module, reason, exit code and words", () => {
    const others = [{}, { module: "n" }, { reason: "JobTimedOut" }, { exitCode: 2 }, { exitCode: undefined }];
    const ids = [...others.map((over) => groupOf("no room", over).id), groupOf("no house").id];
    expect(new Set(ids).size).toBe(6);
  });

  it.each([
    { what: "numbers", ids: fc.oneof(fc.nat().map(String), fc.bigInt({ min: 0n }).map(String)) },
    { what: "hex", ids: hex(8, 64) },
    { what: "ids", ids: fc.uuid() },
    { what: "ids in capitals", ids: fc.uuid().map((id) => id.toUpperCase()) },
    { what: "any of them", ids: fc.oneof(fc.nat().map(String), hex(8, 40), fc.uuid()) },
  ])("is the same with other $what", { timeout: PROPERTY_TIMEOUT_MS }, ({ ids }) => {
    fc.assert(
      fc.property(withIds(ids), ([one, other]) => {
        expect(groupOf(one)).toEqual(groupOf(other));
      }),
      propertyOptions(300),
    );
  });

  it("is short and printable, whatever the words are", { timeout: PROPERTY_TIMEOUT_MS }, () => {
    const any = fc.oneof(
      fc.string({ unit: "binary", maxLength: 2_000 }),
      fc.string({ unit: "grapheme", maxLength: 500 }),
    );
    fc.assert(
      fc.property(any, (detail) => {
        const { id, text } = groupOf(detail);
        expect(id).toMatch(/^[\da-f]{12}$/);
        expect(Array.from(text).length).toBeLessThanOrEqual(200);
        expect(text).not.toMatch(/[\p{C}\u2028\u2029]/u);
        expect(groupOf(text).text).toBe(text);
        const own = lastWords(detail);
        expect(Array.from(own).length).toBeLessThanOrEqual(200);
        expect(own).not.toMatch(/[\p{C}\u2028\u2029]/u);
      }),
      propertyOptions(300),
    );
  });

  it("takes no time for long words", () => {
    for (const text of [
      "#-".repeat(500_000),
      `#${"-".repeat(1_000_000)}`,
      "1 ".repeat(500_000),
      "a".repeat(1_000_000),
    ]) {
      const before = performance.now();
      groupOf(text);
      expect(performance.now() - before).toBeLessThan(2_000);
    }
  });
});

describe("the run that an id means", () => {
  const first = aRun({ sequenceNumber: 3 });

  it("is the only one, or the last redrive of one message, however its source is spelled", () => {
    const again = { ...first, redrive: 1, source: { queue: "Thumbnails" } };
    const last = { ...first, redrive: 2 };
    expect(meantOf([first])).toBe(first);
    expect(meantOf([last, first, again])).toBe(last);
  });

  it("is none of several messages, such as those of a queue that has the name of a topic's subscription", () => {
    expect(meantOf([])).toBeUndefined();
    expect(meantOf([first, aRun({ sequenceNumber: 4 })])).toBeUndefined();
    const queue = aRun({ source: { queue: "images/small" } });
    const subscription = { ...queue, source: { topic: "images", subscription: "small" } };
    expect(meantOf([queue, subscription])).toBeUndefined();
  });
});

describe("the run of a letter", () => {
  const { source, sequenceNumber, enqueuedAt } = aRun({ sequenceNumber: 7 });
  const stampedWith = (run: string): PeekedMessage => ({
    state: "active",
    sequenceNumber,
    enqueuedAt,
    body: new Uint8Array(),
    properties: { "dispatcher-owner": "owner-1", "dispatcher-run": run },
  });
  const own = { source, sequenceNumber, enqueuedAt };

  it("is the one that is stamped, however its source is spelled", () => {
    const stamped = { source, sequenceNumber: 3, enqueuedAt: 5 };
    expect(keyOnLetter(source, stampedWith(runId(stamped).toUpperCase()), "owner-1")).toEqual(stamped);
  });

  it.each(["forged", "thumbnails:NaN:NaN", "thumbnails:03:5", "others:3:5"])(
    "is its own one if the stamp is no name of a run of its source: %s",
    (stamp) => {
      expect(keyOnLetter(source, stampedWith(stamp), "owner-1")).toEqual(own);
    },
  );
});

describe("the dead letter of a closed run", () => {
  const end: AttemptEnd = { reason: "JobFailed", kind: "failure", permanent: false, detail: "no: room", exitCode: 1 };

  it.each([
    { failures: 3, interruptions: 0, attempt: 3 },
    { failures: 3, interruptions: 2, attempt: 5 },
    { failures: 0, interruptions: 0, attempt: 9 },
    { failures: 0, interruptions: 0, attempt: 0 },
  ])("is grouped by what ended the work, and not by the attempt: %j", (counts) => {
    const run = aRun({ attempt: counts.attempt, jobName: "thumbnail-0a1b2c3d-16-3" });
    for (const { jobName, ...rest } of [run, { ...run, jobName: "" }]) {
      const named = jobName ? { ...rest, jobName } : rest;
      const description = describeEnd(named, end, { ...counts, maxAttempts: 3 });
      expect(detailOf(run, description)).toBe("no: room");
    }
  });

  it("is grouped by what its message was rejected for, and not by its run", () => {
    const noted = [1, 2].map((sequenceNumber) => {
      const run = rejected(aRun({ sequenceNumber }), "size must be a number");
      return notedLetter(closing(run, { status: "rejected", verdict: run.verdict! }));
    });
    expect(noted[0]?.group).toEqual(noted[1]?.group);
    expect(noted[0]).toMatchObject({ group: { text: "size must be a number" }, attempts: 0 });
  });

  it("has its own last words beside those of its group", () => {
    const description = "Job thumbnail-0a1b2c3d-16-3, attempt 1 of 1: work exited with code 1:\r\n disk 12 is full";
    const run = closing(aRun(), { status: "failed", verdict: { outcome: "failed", description } });
    expect(notedLetter(run)).toMatchObject({
      lastWords: "work exited with code 1: disk 12 is full",
      group: { text: "work exited with code #: disk # is full" },
    });
  });

  it("has the reason that the message was dead-lettered with, if the verdict has none", () => {
    const run = closing(aRun(), { status: "failed", verdict: { outcome: "failed" } });
    expect(notedLetter(run)).toMatchObject({ reason: "JobFailed", group: { text: "" } });
  });

  it.each(["succeeded", "lost"] as const)("is none of a run that ended as %s", (status) => {
    expect(notedLetter(closing(aRun(), { status, verdict: { outcome: status } }))).toBeUndefined();
  });
});
