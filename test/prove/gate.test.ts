import { describe, expect, it } from "vitest";
import { Gate } from "../../prove/faults/gate.ts";

const refusedOf = (gate: Gate, calls: number) => Array.from({ length: calls }, () => gate.refuses());

describe("a gate", () => {
  it("lets every call through if the server is not throttled", () => {
    const gate = new Gate();
    expect(refusedOf(gate, 5)).not.toContain(true);
    expect(gate.refused).toBe(0);
  });

  it("refuses the share it is told to, evenly spread, and counts", () => {
    const gate = new Gate();
    gate.throttle(0.8);
    expect(refusedOf(gate, 10).filter(Boolean)).toHaveLength(8);
    expect(refusedOf(gate, 5).filter(Boolean)).toHaveLength(4);
    expect(gate.refused).toBe(12);
  });

  it("refuses every call while the server is fully throttled, and none afterwards", () => {
    const gate = new Gate();
    gate.throttle(1);
    expect(refusedOf(gate, 3)).toEqual([true, true, true]);
    gate.throttle(0);
    expect(refusedOf(gate, 3)).toEqual([false, false, false]);
  });
});
