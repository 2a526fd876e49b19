import { describe, expect, it } from "vitest";
import { ALL_EDGES, DEMANDED_EDGES, type Edge, factsOf } from "../../prove/faults/edges.ts";
import { demandedFaults, faultName } from "../../prove/faults/fault.ts";
import { makePlan } from "../../prove/faults/plan.ts";
import { PROOF, readProofFlags } from "../../prove/proof/flags.ts";
import { KIND_NAMES, moreMessages, planMessages } from "../../prove/stage/kinds.ts";

const options = { seed: 7, messages: 100, kills: 10, lockMs: 5_000 };

describe("a plan", () => {
  it("follows from its seed alone", () => {
    expect(makePlan(options)).toEqual(makePlan(options));
    expect(planMessages(7, 100)).toEqual(planMessages(7, 100));
    expect(makePlan(options)).not.toEqual(makePlan({ ...options, seed: 8 }));
    expect(planMessages(7, 100)).not.toEqual(planMessages(8, 100));
  });

  it("has every demanded fault on every call", () => {
    const planned = new Set(makePlan(options).callFaults.map(({ edge, fault }) => `${faultName(fault)}: ${edge}`));
    for (const edge of DEMANDED_EDGES)
      for (const name of demandedFaults(edge)) expect(planned).toContain(`${name}: ${edge}`);
  });

  it("has every other fault on every call that the server may answer so", () => {
    const planned = (edge: Edge) =>
      makePlan(options)
        .callFaults.filter((planned) => planned.edge === edge)
        .map(({ fault }) => faultName(fault))
        .filter((name) => !demandedFaults(edge).includes(name))
        .toSorted();
    const always = ["cut", "ignore", "refuse 500", "refuse 503"];
    // The host answers by the statuses of gRPC, most of which are demanded.
    expect(planned("have the host defer")).toEqual(["cut", "refuse 9"]);
    expect(planned("peek at a message")).toEqual(always);
    expect(planned("insert a run")).toEqual(["cut", "delay", "ignore", "refuse 409", "refuse 429", ...always.slice(2)]);
    // The bus refuses a settlement that is as late as a delay makes it.
    expect(planned("complete a message")).toEqual(["cut", "ignore", "refuse 410", "refuse 500", "refuse 503"]);
    expect(planned("receive a deferred message")).toContain("delay");
    expect(planned("find a run")).toEqual(["cut", "ignore", "refuse 429", "refuse 500", "refuse 503"]);
    // A delivery asks for nothing, so nothing can be refused.
    const deliveries: readonly Edge[] = ["receive a message", "receive a letter"];
    for (const edge of ALL_EDGES.filter((name) => !deliveries.includes(name) && factsOf(name).server !== "host"))
      expect(planned(edge)).toEqual(expect.arrayContaining(always));
    for (const edge of deliveries) expect(planned(edge)).toEqual(["detach"]);
  });

  it("has a link closed and a lost lock among the demanded faults of a settlement on a link", () => {
    for (const edge of ["defer a delivery", "complete a delivery", "dead-letter a delivery"] as const) {
      expect(demandedFaults(edge)).toEqual([...demandedFaults("insert a run"), "refuse 410", "detach"]);
      const planned = makePlan(options).callFaults.filter((fault) => fault.edge === edge);
      expect(planned.map(({ fault }) => faultName(fault))).toEqual(expect.arrayContaining([...demandedFaults(edge)]));
    }
  });

  it("demands faults on the calls that the seed chooses, if it is told how many, and has the others later", () => {
    const whole = makePlan(options);
    expect(whole).toMatchObject({ demanded: DEMANDED_EDGES, laterFaults: [] });
    const short = makePlan({ ...options, demandedEdges: 5 });
    expect(new Set(short.demanded).size).toBe(5);
    expect(DEMANDED_EDGES).toEqual(expect.arrayContaining([...short.demanded]));
    expect(new Set(short.callFaults.map(({ edge }) => edge))).toEqual(new Set(short.demanded));
    expect(new Set(short.laterFaults.map(({ edge }) => edge))).toEqual(
      new Set(ALL_EDGES.filter((edge) => !short.demanded.includes(edge))),
    );
    expect(makePlan({ ...options, demandedEdges: 5 })).toEqual(short);
    const chosen = Array.from({ length: 30 }, (_, day) =>
      makePlan({ ...options, seed: 20261101 + day, demandedEdges: 24 }),
    );
    expect(new Set(chosen.flatMap(({ demanded }) => demanded))).toEqual(new Set(DEMANDED_EDGES));
  });

  it("has doubt before and after the deed, a deadline and a missing service among those of a settlement by the host", () => {
    for (const edge of ["have the host defer", "have the host dead-letter"] as const) {
      const own = ["refuse 2", "deny 2", "refuse 12", "ignore"];
      expect(demandedFaults(edge)).toEqual([...demandedFaults("insert a run"), ...own]);
      const planned = makePlan(options).callFaults.filter((fault) => fault.edge === edge);
      expect(planned.map(({ fault }) => faultName(fault))).toEqual(expect.arrayContaining([...demandedFaults(edge)]));
    }
  });

  it("freezes for longer than a lock lasts", () => {
    const { callFaults, randomFaults } = makePlan({ ...options, kills: 100 });
    const freezes = [...callFaults, ...randomFaults].flatMap(({ fault }) =>
      fault.kind === "freeze" ? [fault.ms] : [],
    );
    expect(Math.min(...freezes)).toBeGreaterThan(5_000);
  });

  it("has as many random faults as it is told to, while messages are being sent", () => {
    const { randomFaults, outages } = makePlan(options);
    expect(randomFaults).toHaveLength(10);
    for (const { sent } of [...randomFaults, ...outages]) expect(sent).toBeLessThan(100);
  });

  it("has a server hang for longer than any time-out of the app, if there are messages enough", () => {
    const lengths = (messages: number) =>
      makePlan({ ...options, messages })
        .outages.filter(({ how }) => how === "hangs")
        .map(({ ms }) => ms);
    expect(Math.min(...lengths(1_000))).toBeGreaterThan(15_000);
    expect(Math.max(...lengths(100))).toBeLessThan(5_000);
  });

  it("sends as many messages as it is told to, with ids of their own, of every kind", () => {
    const messages = planMessages(7, 30);
    expect(new Set(messages.map(({ id }) => id)).size).toBe(30);
    expect(new Set(messages.map(({ kind }) => kind))).toEqual(new Set(KIND_NAMES));
  });

  it("has as many messages as a storm asks for of a kind that the proof itself does not send", () => {
    expect(KIND_NAMES).not.toContain("silent");
    expect(planMessages(7, 30, ["silent"]).map(({ kind }) => kind)).toEqual(Array(30).fill("silent"));
  });
});

it("sends one more message of each kind for a fault that waits for its call, with new ids", () => {
  const more = moreMessages(30);
  expect(more.map(({ kind }) => kind)).toEqual(KIND_NAMES);
  const ids = [...planMessages(7, 30), ...more, ...moreMessages(30 + more.length)].map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

describe("the flags of a proof", () => {
  PROOF.exitOverride().configureOutput({ writeErr: () => {} });

  it("have defaults, and a seed that is made", () => {
    expect(readProofFlags([], () => 42)).toMatchObject({ seed: 42, json: false });
    expect(readProofFlags(["--seed", "5"], () => 42)).toMatchObject({ seed: 5 });
  });

  it("take the seed of the day for the short proof, whose size is fixed", () => {
    const day = new Date("2026-11-28T23:59:59Z");
    expect(readProofFlags(["--short"], () => 42, day)).toMatchObject({
      seed: 20261128,
      demandedEdges: 24,
      replicas: 8,
    });
    expect(readProofFlags(["--short", "--seed", "5"], () => 42, day)).toMatchObject({ seed: 5, demandedEdges: 24 });
    expect(readProofFlags([], () => 42, day)).not.toHaveProperty("demandedEdges");
  });

  it.each([
    { args: ["--short", "--messages", "5"], names: "'--short' cannot be used with option '--messages <n>'" },
    { args: ["--message", "5"], names: "--message" },
    { args: ["--kills", "-1"], names: "'--kills <n>' argument '-1'" },
    { args: ["--replicas", "1"], names: "'--replicas <n>' argument '1'" },
    { args: ["--seed", "x"], names: "'--seed <n>' argument 'x'" },
    { args: ["extra"], names: "Expected 0 arguments but got 1" },
  ])("refuse $args, naming what is wrong", ({ args, names }) => {
    expect(() => readProofFlags(args, () => 0)).toThrow(names);
  });
});
