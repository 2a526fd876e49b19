import { describe, expect, it } from "vitest";
import { Director, missingDeeds, type Victim } from "../../prove/faults/director.ts";
import type { Deed } from "../../prove/faults/plan.ts";

const EDGE = "insert a run";

/** Two Dispatchers, and what was done to the first. */
function stage(deed: Deed, gap = 0) {
  const told: string[] = [];
  const victim: Victim & { isUp: boolean; generation: number } = {
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
  };
  const other: Victim = { isUp: true, generation: 1, kill() {}, freeze: async () => {} };
  const director = new Director({ faults: [{ edge: EDGE, deed, gap }], blows: [], outages: [] }, [victim, other]);
  const call = (answer = "done") =>
    director.conduct<string>({
      slot: 0,
      edges: [EDGE],
      asked: "POST /rows",
      carryOut: async () => {
        told.push("carried out");
        return answer;
      },
      refusal: (status) => `refused ${status}`,
      worked: (given) => given === "done",
    });
  return { director, victim, other, told, call };
}

describe("the director", () => {
  it.each<{ deed: Deed; answer: string; told: string[] }>([
    { deed: { do: "kill", when: "before" }, answer: "cut", told: ["killed"] },
    { deed: { do: "kill", when: "after" }, answer: "cut", told: ["carried out", "killed"] },
    { deed: { do: "freeze", when: "before", ms: 1 }, answer: "done", told: ["frozen", "awake", "carried out"] },
    { deed: { do: "freeze", when: "after", ms: 1 }, answer: "done", told: ["carried out", "frozen", "awake"] },
    { deed: { do: "lose the reply", how: "silence" }, answer: "silence", told: ["carried out"] },
    { deed: { do: "delay", ms: 1 }, answer: "cut", told: ["carried out"] },
    { deed: { do: "refuse", status: 503 }, answer: "refused 503", told: [] },
    { deed: { do: "cut" }, answer: "cut", told: [] },
    { deed: { do: "ignore" }, answer: "silence", told: [] },
  ])("does what is planned, once: $deed", async ({ deed, answer, told }) => {
    const scene = stage(deed);
    expect(await scene.call()).toBe(answer);
    expect(scene.told).toEqual(told);
    expect(scene.director.left).toEqual([]);
    scene.victim.isUp = true;
    expect(await scene.call()).toBe("done");
  });

  it("lets as many calls pass as the plan says", async () => {
    const { call, told, director } = stage({ do: "cut" }, 2);
    expect([await call(), await call(), await call()]).toEqual(["done", "done", "cut"]);
    expect(told).toHaveLength(2);
    expect(director.done.get(EDGE)?.get("cut")).toBe(1);
  });

  it.each<Deed>([
    { do: "kill", when: "after" },
    { do: "freeze", when: "after", ms: 1 },
    { do: "lose the reply", how: "cut" },
  ])("waits for a call that works before it counts an `after`: %j", async (deed) => {
    const { call, director } = stage(deed);
    expect(await call("refused by the server itself")).toBe("refused by the server itself");
    expect(director.left).toHaveLength(1);
    await call();
    expect(director.left).toHaveLength(0);
  });

  it("keeps a fault whose server was away, for the next call", async () => {
    const { director, call } = stage({ do: "lose the reply", how: "cut" });
    const away = director.conduct<string>({
      slot: 0,
      edges: [EDGE],
      asked: "POST /rows",
      carryOut: () => Promise.reject(new Error("away")),
      refusal: () => "",
      worked: () => true,
    });
    await expect(away).rejects.toThrow("away");
    expect(director.left).toHaveLength(1);
    expect(await call()).toBe("cut");
  });

  it("keeps a fault whose victim was killed in its sleep", async () => {
    const { director, victim, call } = stage({ do: "freeze", when: "before", ms: 1 });
    victim.freeze = async () => {
      victim.generation += 1;
    };
    await call();
    expect(director.left).toHaveLength(1);
  });

  it("owes a fault until it is over", async () => {
    const { director, victim, call } = stage({ do: "freeze", when: "before", ms: 1 });
    let wake = () => {};
    victim.freeze = () =>
      new Promise((resolve) => {
        wake = resolve;
      });
    const called = call();
    expect(director.left).toHaveLength(1);
    wake();
    await called;
    expect(director.left).toHaveLength(0);
  });

  it("never takes the last Dispatcher down", async () => {
    const scene = stage({ do: "kill", when: "before" });
    Object.assign(scene.other, { isUp: false });
    expect(await scene.call()).toBe("done");
    expect(scene.director.left).toHaveLength(1);
  });

  it("loses what nobody answers on its way, and not after it arrived", async () => {
    const { director } = stage({ do: "lose the reply", how: "cut" });
    const told: string[] = [];
    const answer = await director.conduct<string>({
      slot: 0,
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
    expect(director.done.get(EDGE)?.get("lose the reply")).toBe(1);
  });

  it("says which calls have no name, and lets them through", async () => {
    const { director } = stage({ do: "cut" });
    const call = { slot: 0, edges: [], carryOut: async () => "done", refusal: () => "", worked: () => true };
    expect(await director.conduct<string>({ ...call, asked: "GET /new" })).toBe("done");
    await director.conduct<string>({ ...call, asked: "GET /new" });
    expect(director.unknown).toEqual(["GET /new"]);
  });

  it("lets everything through once it is over", async () => {
    const { director, call } = stage({ do: "cut" });
    director.end();
    expect(await call()).toBe("done");
  });

  it("knows what never happened", async () => {
    const { director, call } = stage({ do: "kill", when: "before" });
    expect(missingDeeds(director.done, [EDGE])).toContain("kill before: insert a run");
    await call();
    expect(missingDeeds(director.done, [EDGE])).toEqual([
      "kill after: insert a run",
      "freeze before: insert a run",
      "freeze after: insert a run",
      "lose the reply: insert a run",
    ]);
  });
});
