import { describe, expect, it } from "vitest";
import { newRun } from "../../../shared/run/new-run.ts";
import { T0 } from "../../support/a-run.ts";

const key = { source: { queue: "thumbnails" }, sequenceNumber: 42, enqueuedAt: T0 };
const start = { key, message: { properties: {} }, module: "thumbnail", bodyInBlob: true, now: T0 + 5 };
const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

describe("a new run", () => {
  it("is accepted, with its first attempt to come, and due at once", () => {
    expect(newRun(start)).toEqual({
      ...key,
      status: "accepted",
      module: "thumbnail",
      messageId: "",
      acceptedAt: T0 + 5,
      attempt: 1,
      failures: 0,
      interruptions: 0,
      bodyInBlob: true,
      notBefore: T0 + 5,
      busyCount: 0,
    });
  });

  it("takes only its identity from the key, whatever else comes with it", () => {
    expect(newRun({ ...start, key: { ...key, state: "deferred", body: "secret" } as typeof key })).toEqual(
      newRun(start),
    );
  });

  it.each([
    { name: "traceparent", value: TRACE, trace: TRACE },
    { name: "Diagnostic-Id", value: TRACE, trace: TRACE },
    { name: "traceparent", value: "00-zz-01", trace: undefined },
    { name: "traceparent", value: 7, trace: undefined },
  ])("takes the sender's trace from $name: $value", ({ name, value, trace }) => {
    expect(newRun({ ...start, message: { properties: { [name]: value } } }).traceparent).toBe(trace);
  });

  it("begins with its verdict if no Job can ever work on the message, and stores no body", () => {
    expect(newRun({ ...start, problem: "the body is empty" })).toMatchObject({
      status: "settling",
      bodyInBlob: false,
      verdict: {
        outcome: "rejected",
        reason: "DispatchRejected",
        description: `thumbnails:42:${T0}: the body is empty`,
      },
    });
  });
});
