import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Script } from "../../prove/twins/script.ts";

const EDGE = "create a job";

/** Two Dispatchers that make one kind of call, and what became of them and of the calls. */
function stage() {
  const told: string[] = [];
  const actors = [0, 1].map((slot) => ({
    kill: () => void told.push(`killed ${slot}`),
    async freezeUntil(woken: Promise<unknown>) {
      told.push(`asleep ${slot}`);
      await woken;
      told.push(`awake ${slot}`);
    },
  }));
  const script = new Script(() => actors);
  const call = (slot = 0, answer = "done") =>
    script.conduct<string>({
      slot,
      asked: "POST /jobs",
      edges: [EDGE],
      carryOut: async () => {
        told.push(`carried out ${slot}`);
        return answer;
      },
      refusal: (status) => `refused ${status}`,
      worked: (given) => given === "done",
    });
  return { script, told, call };
}

describe("a script", () => {
  it("stops a call before it reaches its server, and no other", async () => {
    const { script, told, call } = stage();
    const catching = script.catch(EDGE, "before");
    const stopped = call(1);
    const caught = await catching;
    expect(caught.slot).toBe(1);
    await call(0);
    await turn();
    expect(told).toEqual(["carried out 0"]);
    caught.goOn();
    expect(await stopped).toBe("done");
    expect(told).toEqual(["carried out 0", "carried out 1"]);
  });

  it("stops the answer of a call that worked, and lets those go that did not", async () => {
    const { script, told, call } = stage();
    const catching = script.catch(EDGE, "after");
    expect(await call(0, "in vain")).toBe("in vain");
    const stopped = call(0);
    const caught = await catching;
    expect(told).toEqual(["carried out 0", "carried out 0"]);
    caught.goOn();
    expect(await stopped).toBe("done");
  });

  it("stops the calls of one Dispatcher alone where it is told whose", async () => {
    const { script, call } = stage();
    const catching = script.catch(EDGE, "before", { slot: 1 });
    expect(await call(0)).toBe("done");
    const stopped = call(1);
    (await catching).goOn();
    expect(await stopped).toBe("done");
  });

  it("kills the process whose call it stopped, and the call never comes back", async () => {
    const { script, told, call } = stage();
    const catching = script.catch(EDGE, "before");
    const stopped = call(1);
    (await catching).kill();
    expect(await stopped).toBe("cut");
    expect(told).toEqual(["killed 1"]);
  });

  it("puts the whole process to sleep until the call may go on", async () => {
    const { script, told, call } = stage();
    const catching = script.catch(EDGE, "before", { asleep: true });
    const stopped = call(0);
    const caught = await catching;
    expect(told).toEqual(["asleep 0"]);
    caught.goOn();
    await stopped;
    expect(told).toContain("awake 0");
  });

  it("lies as often as it is told to, and carries nothing out meanwhile", async () => {
    const { script, told, call } = stage();
    script.lie(EDGE, 404, { slot: 0, times: 2 });
    expect([await call(0), await call(1), await call(0), await call(0)]).toEqual([
      "refused 404",
      "done",
      "refused 404",
      "done",
    ]);
    expect(told).toEqual(["carried out 1", "carried out 0"]);
  });

  it("repeats an answer that is out of date", async () => {
    const { script, call } = stage();
    const listening = script.listen(EDGE);
    await call(0, "none yet");
    script.repeat(EDGE, await listening, 1);
    expect(script.lies).toBe(1);
    expect(await call(1, "one")).toBe("none yet");
    expect(script.lies).toBe(0);
    expect(await call(1, "one")).toBe("one");
  });

  it("has nothing more to say once it is at its end", async () => {
    const { script, call } = stage();
    void script.catch(EDGE, "before");
    script.lie(EDGE, 503);
    script.end();
    expect(await call()).toBe("done");
  });
});
