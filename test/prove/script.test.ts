import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Script } from "../../prove/twins/script.ts";

const EDGE = "create a job";

/** Makes two replicas with one kind of call. `told` says what happened to the replicas and the calls. */
function stage() {
  const told: string[] = [];
  const replicas = [0, 1].map((replica) => ({
    kill: () => void told.push(`killed ${replica}`),
    async freezeUntil(woken: Promise<unknown>) {
      told.push(`asleep ${replica}`);
      await woken;
      told.push(`awake ${replica}`);
    },
  }));
  const script = new Script(() => replicas);
  const call = (replica = 0, answer = "done") =>
    script.handle<string>({
      replica,
      asked: "POST /jobs",
      edges: [EDGE],
      carryOut: async () => {
        told.push(`carried out ${replica}`);
        return answer;
      },
      refusal: (status) => `refused ${status}`,
      worked: (given) => given === "done",
    });
  return { script, told, call };
}

describe("a script", () => {
  it("stops one call before it reaches its server", async () => {
    const { script, told, call } = stage();
    const catching = script.catch(EDGE, "before");
    const stopped = call(1);
    const caught = await catching;
    expect(caught.replica).toBe(1);
    await call(0);
    await turn();
    expect(told).toEqual(["carried out 0"]);
    caught.goOn();
    expect(await stopped).toBe("done");
    expect(told).toEqual(["carried out 0", "carried out 1"]);
  });

  it("stops the answer of a call that worked, and lets the answer of one that did not pass", async () => {
    const { script, told, call } = stage();
    const catching = script.catch(EDGE, "after");
    expect(await call(0, "in vain")).toBe("in vain");
    const stopped = call(0);
    const caught = await catching;
    expect(told).toEqual(["carried out 0", "carried out 0"]);
    caught.goOn();
    expect(await stopped).toBe("done");
  });

  it("stops only the calls of one replica if it is told which", async () => {
    const { script, call } = stage();
    const catching = script.catch(EDGE, "before", { replica: 1 });
    expect(await call(0)).toBe("done");
    const stopped = call(1);
    (await catching).goOn();
    expect(await stopped).toBe("done");
  });

  it("kills the replica whose call it stopped, and the call gets no answer", async () => {
    const { script, told, call } = stage();
    const catching = script.catch(EDGE, "before");
    const stopped = call(1);
    (await catching).kill();
    expect(await stopped).toBe("cut");
    expect(told).toEqual(["killed 1"]);
  });

  it("freezes the whole replica until the call goes on", async () => {
    const { script, told, call } = stage();
    const catching = script.catch(EDGE, "before", { freeze: true });
    const stopped = call(0);
    const caught = await catching;
    expect(told).toEqual(["asleep 0"]);
    caught.goOn();
    await stopped;
    expect(told).toContain("awake 0");
  });

  it("answers in the server's place as often as it is told to, and the server never sees the call", async () => {
    const { script, told, call } = stage();
    script.answer(EDGE, 404, { replica: 0, times: 2 });
    expect([await call(0), await call(1), await call(0), await call(0)]).toEqual([
      "refused 404",
      "done",
      "refused 404",
      "done",
    ]);
    expect(told).toEqual(["carried out 1", "carried out 0"]);
  });

  it("repeats an old answer", async () => {
    const { script, call } = stage();
    const listening = script.listen(EDGE);
    await call(0, "none yet");
    script.repeat(EDGE, await listening, 1);
    expect(script.answersLeft).toBe(1);
    expect(await call(1, "one")).toBe("none yet");
    expect(script.answersLeft).toBe(0);
    expect(await call(1, "one")).toBe("one");
  });

  it("lets every call through once it is at its end", async () => {
    const { script, call } = stage();
    void script.catch(EDGE, "before");
    script.answer(EDGE, 503);
    script.end();
    expect(await call()).toBe("done");
  });
});
