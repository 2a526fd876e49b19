import { describe, expect, it } from "vitest";
import { UnavailableError } from "../../../shared/errors.ts";
import { TimeLimitError, withinTime } from "../../../shared/modules/within-time.ts";
import { withTheProcessor } from "../../support/with-the-processor.ts";

function spin(): never {
  for (;;);
}

describe("a function with a time limit", () => {
  it("gives back what it returns, and throws what it throws", () => {
    expect(withinTime(1_000, () => [1])).toEqual([1]);
    const bug = new RangeError("too deep");
    expect(() =>
      withinTime(1_000, () => {
        throw bug;
      }),
    ).toThrow(bug);
  });

  it("is ended if it uses up its time, and another one runs after it", () => {
    expect(() => withTheProcessor(() => withinTime(100, spin))).toThrow(TimeLimitError);
    expect(withinTime(100, () => "well")).toBe("well");
  }, 180_000);

  it("is not blamed if the process was asleep meanwhile", () => {
    const asleep = () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
    expect(() => withinTime(100, asleep)).toThrow(UnavailableError);
  });
});
