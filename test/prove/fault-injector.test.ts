import { describe, expect, it } from "vitest";
import { CallFaults } from "../../prove/faults/call-faults.ts";
import { type Fault, missingFaults } from "../../prove/faults/fault.ts";
import { FaultInjector } from "../../prove/faults/fault-injector.ts";
import { NO_FAULTS } from "../../prove/faults/plan.ts";
import type { Replica } from "../../prove/faults/replica.ts";

const EDGE = "insert a run";

/** Makes two replicas. `told` says what was done to the first one. */
function stage(fault: Fault, gap = 0) {
  const told: string[] = [];
  const replica: Replica & { isUp: boolean; generation: number } = {
    isUp: true,
    generation: 1,
    kill() {
      told.push("killed");
      this.isUp = false;
    },
    async freeze() {
      told.push("frozen");
      await Promise.resolve();
      told.push("awake");
    },
    freezeUntil: async () => {},
  };
  const other: Replica = { isUp: true, generation: 1, kill() {}, freeze: async () => {}, freezeUntil: async () => {} };
  const plan = { ...NO_FAULTS, callFaults: [{ edge: EDGE, fault, gap }] } as const;
  const injector = new FaultInjector(plan, [replica, other]);
  const call = (answer = "done") =>
    injector.handle<string>({
      replica: 0,
      edges: [EDGE],
      asked: "POST /rows",
      carryOut: async () => {
        told.push("carried out");
        return answer;
      },
      refusal: (status) => `refused ${status}`,
      worked: (given) => given === "done",
    });
  return { injector, replica, other, told, call };
}

describe("the fault injector", () => {
  it.each<{ fault: Fault; answer: string; told: string[] }>([
    { fault: { kind: "kill", when: "before" }, answer: "cut", told: ["killed"] },
    { fault: { kind: "kill", when: "after" }, answer: "cut", told: ["carried out", "killed"] },
    { fault: { kind: "freeze", when: "before", ms: 1 }, answer: "done", told: ["frozen", "awake", "carried out"] },
    { fault: { kind: "freeze", when: "after", ms: 1 }, answer: "done", told: ["carried out", "frozen", "awake"] },
    { fault: { kind: "lose the reply", how: "silence" }, answer: "silence", told: ["carried out"] },
    { fault: { kind: "delay", ms: 1 }, answer: "cut", told: ["carried out"] },
    { fault: { kind: "refuse", status: 503 }, answer: "refused 503", told: [] },
    { fault: { kind: "deny", status: 2 }, answer: "refused 2", told: ["carried out"] },
    { fault: { kind: "cut" }, answer: "cut", told: [] },
    { fault: { kind: "ignore" }, answer: "silence", told: [] },
    { fault: { kind: "detach" }, answer: "detach", told: [] },
  ])("does what is planned, once: $fault", async ({ fault, answer, told }) => {
    const scene = stage(fault);
    expect(await scene.call()).toBe(answer);
    expect(scene.told).toEqual(told);
    expect(scene.injector.callFaults.left).toEqual([]);
    scene.replica.isUp = true;
    expect(await scene.call()).toBe("done");
  });

  it("lets as many calls pass as the plan says", async () => {
    const { call, told, injector } = stage({ kind: "cut" }, 2);
    expect([await call(), await call(), await call()]).toEqual(["done", "done", "cut"]);
    expect(told).toHaveLength(2);
    expect(injector.callFaults.counts.get(EDGE)?.get("cut")).toBe(1);
  });

  it.each<Fault>([
    { kind: "kill", when: "after" },
    { kind: "freeze", when: "after", ms: 1 },
    { kind: "lose the reply", how: "cut" },
  ])("waits for a call that works before it counts an `after`: %j", async (fault) => {
    const { call, injector } = stage(fault);
    expect(await call("refused by the server itself")).toBe("refused by the server itself");
    expect(injector.callFaults.left).toHaveLength(1);
    await call();
    expect(injector.callFaults.left).toHaveLength(0);
  });

  it.each<Fault>([
    { kind: "lose the reply", how: "cut" },
    { kind: "delay", ms: 1 },
  ])("keeps a fault whose server was away, for the next call: %j", async (fault) => {
    const { injector, call } = stage(fault);
    const away = injector.handle<string>({
      replica: 0,
      edges: [EDGE],
      asked: "POST /rows",
      carryOut: () => Promise.reject(new Error("away")),
      refusal: () => "",
      worked: () => true,
    });
    await expect(away).rejects.toThrow("away");
    expect(injector.callFaults.left).toHaveLength(1);
    expect(await call()).toBe("cut");
  });

  it("keeps a fault whose replica was killed while it was frozen", async () => {
    const { injector, replica, call } = stage({ kind: "freeze", when: "before", ms: 1 });
    replica.freeze = async () => {
      replica.generation += 1;
    };
    await call();
    expect(injector.callFaults.left).toHaveLength(1);
  });

  it("counts a fault as left until it is over", async () => {
    const { injector, replica, call } = stage({ kind: "freeze", when: "before", ms: 1 });
    let wake = () => {};
    replica.freeze = () =>
      new Promise((resolve) => {
        wake = resolve;
      });
    const called = call();
    expect(injector.callFaults.left).toHaveLength(1);
    wake();
    await called;
    expect(injector.callFaults.left).toHaveLength(0);
  });

  it("never takes the last replica down", async () => {
    const scene = stage({ kind: "kill", when: "before" });
    Object.assign(scene.other, { isUp: false });
    expect(await scene.call()).toBe("done");
    expect(scene.injector.callFaults.left).toHaveLength(1);
  });

  it("loses a delivery on its way, and not after it has arrived", async () => {
    const { injector } = stage({ kind: "lose the reply", how: "cut" });
    const told: string[] = [];
    const answer = await injector.handle<string>({
      replica: 0,
      edges: [EDGE],
      asked: "a delivery",
      carryOut: async () => {
        told.push("arrived");
        return "done";
      },
      loseOnTheWay: () => told.push("lost"),
      refusal: () => "",
      worked: () => true,
    });
    expect([answer, told]).toEqual(["silence", ["lost"]]);
    expect(injector.callFaults.counts.get(EDGE)?.get("lose the reply")).toBe(1);
  });

  it("reports the calls that have no edge, and lets them through", async () => {
    const { injector } = stage({ kind: "cut" });
    const call = { replica: 0, edges: [], carryOut: async () => "done", refusal: () => "", worked: () => true };
    expect(await injector.handle<string>({ ...call, asked: "GET /new" })).toBe("done");
    await injector.handle<string>({ ...call, asked: "GET /new" });
    expect(injector.unknown).toEqual(["GET /new"]);
  });

  it("lets everything through once it is over", async () => {
    const { injector, call } = stage({ kind: "cut" });
    injector.end();
    expect(await call()).toBe("done");
  });

  it("notes which replicas accept messages, and which have made a call that worked since it is over", async () => {
    const { injector, call } = stage({ kind: "cut" }, 9);
    await call("refused by the server itself");
    expect([...injector.accepting]).toEqual([]);
    await call();
    expect([...injector.accepting]).toEqual([0]);
    expect([...injector.atWork]).toEqual([]);
    injector.end();
    await call("refused by the server itself");
    expect([...injector.atWork]).toEqual([]);
    await call();
    expect([...injector.atWork]).toEqual([0]);
  });

  it("takes no delivery for a call of the replica", async () => {
    const { injector } = stage({ kind: "cut" }, 9);
    injector.end();
    await injector.handle<string>({
      replica: 0,
      edges: ["receive a message"],
      asked: "a delivery",
      carryOut: async () => "done",
      loseOnTheWay: () => {},
      refusal: () => "",
      worked: () => true,
    });
    expect([...injector.atWork]).toEqual([]);
  });

  it("keeps the later faults until the demanded ones have happened", async () => {
    const first = { edge: EDGE, fault: { kind: "lose the reply", how: "cut" }, gap: 0 } as const;
    const later = { edge: "close a run", fault: { kind: "cut" }, gap: 0 } as const;
    const faults = new CallFaults({ callFaults: [first], demanded: [EDGE], laterFaults: [later] });
    expect(faults.take({ edges: ["close a run"] }, true)).toBeUndefined();
    expect(faults.take({ edges: [EDGE] }, true)).toBe(first);
    faults.happened(first);
    expect(faults.owed).toEqual([]);
    expect(faults.take({ edges: ["close a run"] }, true)).toBe(later);
  });

  it("lists the demanded faults that never happened", async () => {
    const { injector, call } = stage({ kind: "kill", when: "before" });
    expect(missingFaults(injector.callFaults.counts, [EDGE])).toContain("kill before: insert a run");
    await call();
    expect(missingFaults(injector.callFaults.counts, [EDGE])).toEqual([
      "kill after: insert a run",
      "freeze before: insert a run",
      "freeze after: insert a run",
      "lose the reply: insert a run",
    ]);
  });
});
