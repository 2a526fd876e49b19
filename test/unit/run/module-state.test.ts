import { describe, expect, it } from "vitest";
import {
  afterProbe,
  afterStartFailure,
  isTripped,
  type ModuleState,
  type StartFailure,
  sound,
} from "../../../shared/run/module-state.ts";

const NOW = 1_790_000_000_000;
const MINUTE = 60_000;

function failing(...failures: Partial<StartFailure>[]): ModuleState {
  let state: ModuleState | undefined;
  for (const [index, over] of failures.entries()) {
    const failure = { module: "m", template: "t1", runId: `run-${index}`, fault: "image", detail: "no such image" };
    state = afterStartFailure(state, { ...failure, ...over }, NOW + index);
  }
  if (!state) throw new Error("no failure");
  return state;
}

describe("what is known of a module whose Jobs can't start", () => {
  const cases: { name: string; failures: Partial<StartFailure>[]; tripped: boolean }[] = [
    { name: "two messages trip nothing", failures: [{}, {}], tripped: false },
    { name: "three messages with the same fault trip it", failures: [{}, {}, {}], tripped: true },
    {
      name: "one message that fails three times trips nothing",
      failures: [{ runId: "a" }, { runId: "a" }, { runId: "a" }],
      tripped: false,
    },
    { name: "three messages with different faults trip it", failures: [{}, {}, { fault: "other" }], tripped: true },
    { name: "another template begins a new count", failures: [{}, {}, { template: "t2" }], tripped: false },
    {
      name: "a tripped module stays tripped if another fault comes to light",
      failures: [{}, {}, {}, { fault: "configuration" }],
      tripped: true,
    },
  ];
  it.each(cases)("$name", ({ failures, tripped }) => {
    expect(isTripped(failing(...failures), failures.at(-1)?.template ?? "t1")).toBe(tripped);
  });

  it("counts for nothing once the template is another one", () => {
    expect(isTripped(failing({}, {}, {}), "t2")).toBe(false);
  });

  it("is sound again once a Job started, and counts from 0", () => {
    const state = sound(failing({}, {}, {}));
    expect(isTripped(state, "t1")).toBe(false);
    const failure = { module: "m", template: "t1", runId: "later", fault: "image", detail: "" };
    expect(afterStartFailure(state, failure, NOW + MINUTE)).toMatchObject({ failed: ["later"], since: NOW + MINUTE });
  });

  it("allows a probe after a minute, then after twice as long each time, up to ten minutes", () => {
    let state = failing({}, {}, {});
    const waits: number[] = [];
    let now = state.trippedAt ?? 0;
    for (let probe = 0; probe < 6 && isTripped(state, "t1"); probe += 1) {
      waits.push((state.probeAt - now) / MINUTE);
      now = state.probeAt;
      state = afterProbe(state, now);
    }
    expect(waits).toEqual([1, 2, 4, 8, 10, 10]);
  });
});
