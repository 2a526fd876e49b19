import { describe, expect, it } from "vitest";
import {
  afterRejection,
  type GateState,
  gateName,
  isOpen,
  isShut,
  mayReject,
  opened,
  type Rejection,
} from "../../../shared/run/gate-state.ts";
import { T0 } from "../../support/a-run.ts";

const scope = { module: "thumbnail" };
const rejection = (number: number, files = "v1"): Rejection => {
  return { scope, files, runId: `thumbnails:${number}:1`, problem: `problem ${number}` };
};

/** The state after so many rejections. */
function after(count: number, files = "v1", known?: GateState): GateState | undefined {
  let state = known;
  for (let number = 1; number <= count; number += 1)
    state = afterRejection(state, rejection(number, files), T0 + number) ?? state;
  return state;
}

describe("a gate", () => {
  it("is named as a person names it", () => {
    expect([scope, { source: { queue: "a" } }, { source: { topic: "t", subscription: "s" } }].map(gateName)).toEqual([
      "module:thumbnail",
      "source:a",
      "source:t/s",
    ]);
  });

  it("counts nine rejections, and shuts with the tenth, which it says why and since when", () => {
    expect(after(9)).toMatchObject({ status: "counting", since: T0 + 1, rejected: { length: 9 } });
    expect(after(10)).toMatchObject({ status: "shut", since: T0 + 10, problem: "problem 10" });
    expect(isShut(after(9), "v1")).toBe(false);
    expect(isShut(after(10), "v1")).toBe(true);
  });

  it("lets the first ten be rejected, however often it is asked, and no other", () => {
    const shut = after(10);
    expect(afterRejection(shut, rejection(3), T0)).toBeNull();
    expect(mayReject(shut, rejection(3))).toBe(true);
    expect(afterRejection(shut, rejection(11), T0)).toBeNull();
    expect(mayReject(shut, rejection(11))).toBe(false);
  });

  it("counts one run once", () => {
    const counting = after(3);
    expect(afterRejection(counting, rejection(2), T0)).toBeNull();
    expect(mayReject(counting, rejection(2))).toBe(true);
  });

  it("is not shut, and counts anew, under other files", () => {
    const shut = after(10);
    expect(isShut(shut, "v2")).toBe(false);
    expect(afterRejection(shut, rejection(1, "v2"), T0)).toMatchObject({ status: "counting", rejected: { length: 1 } });
    expect(after(10, "v2", shut)).toMatchObject({ files: "v2", status: "shut" });
  });

  it("lets everything be rejected once it is open, and counts nothing, until the files change", () => {
    const shut = after(10);
    if (!shut) throw new Error("no state");
    const open = opened(shut, shut, T0 + 60_000);
    expect(isOpen(open, "v1")).toBe(true);
    expect(afterRejection(open, rejection(11), T0)).toBeNull();
    expect(mayReject(open, rejection(11))).toBe(true);
    expect(isOpen(open, "v2")).toBe(false);
    expect(mayReject(open, rejection(11, "v2"))).toBe(false);
  });

  it("is open for the files that accepted the first message, and stays as it was for others", () => {
    const open = opened(undefined, { scope, files: "v2" }, T0);
    expect(open).toEqual({ scope, files: "v2", status: "open", rejected: [], problem: "", since: T0 });
    expect(opened(open, { scope, files: "v3" }, T0 + 1)).toEqual({ ...open, files: "v3", since: T0 + 1 });

    const both = opened(after(10), { scope, files: "v2" }, T0 + 60_000);
    expect(isShut(both, "v1")).toBe(true);
    expect(isOpen(both, "v2")).toBe(true);
    expect(afterRejection(both, rejection(11, "v2"), T0)).toBeNull();
    const counting = opened(after(3), { scope, files: "v2" }, T0 + 60_000);
    expect(isOpen(after(7, "v1", counting), "v2")).toBe(true);
    expect(isOpen(after(1, "v3", counting), "v2")).toBe(false);
  });
});
