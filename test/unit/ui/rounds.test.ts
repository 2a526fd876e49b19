import { describe, expect, it } from "vitest";
import { type Acted, cancelInRounds, purgeInRounds, type Round } from "../../../ui/rounds.ts";

async function all(rounds: AsyncGenerator<Round>): Promise<Round[]> {
  const found: Round[] = [];
  for await (const round of rounds) found.push(round);
  return found;
}

/** A server that purges so many in each request. */
function purging(each: readonly number[]) {
  const sent: object[] = [];
  const send = async (body: object): Promise<Acted> => {
    const removed = each[sent.length] ?? 0;
    sent.push(body);
    return { command: "dispatcher dead purge", done: { removed, gone: 0, left: 500 - removed } };
  };
  return { sent, send };
}

describe("runs that are cancelled", () => {
  const runs = Array.from({ length: 230 }, (_, index) => `q:${index}:1`);
  const cancelled = (ids: readonly string[]): Acted => ({
    command: "dispatcher runs cancel",
    answers: ids.map((name) => ({ name, kind: "done", did: "ordered the end" })),
  });

  it("are named a hundred at a time, with all that was answered until then", async () => {
    const sent: object[] = [];
    const send = async (body: object) => {
      sent.push(body);
      return cancelled("runs" in body && Array.isArray(body.runs) ? body.runs.map(String) : []);
    };
    const rounds = await all(cancelInRounds(runs)(send, {}, undefined));
    expect(sent).toEqual([{ runs: runs.slice(0, 100) }, { runs: runs.slice(100, 200) }, { runs: runs.slice(200) }]);
    expect(rounds.map(({ done, of, acted }) => [done, of, acted.answers?.length])).toEqual([
      [100, 230, 100],
      [200, 230, 200],
      [230, 230, 230],
    ]);
  });

  it("are left as they are once nobody asks for the next round", async () => {
    let requests = 0;
    const send = async () => {
      requests += 1;
      return cancelled([]);
    };
    for await (const round of cancelInRounds(runs)(send, {}, undefined)) if (round.done >= 100) break;
    expect(requests).toBe(1);
  });
});

describe("dead letters that are purged", () => {
  const group = { group: "abc" };
  const tried = { command: "", before: 1_000, plan: { chosen: 1_200, onBus: 1_200, inFront: 0, tooDeep: 0 } };

  it("are first only counted", async () => {
    const { sent, send } = purging([]);
    await all(purgeInRounds(send, group, undefined));
    expect(sent).toEqual([group]);
  });

  it("go five hundred at a time, each time with the count of those that are left", async () => {
    const { sent, send } = purging([500, 500, 200]);
    const rounds = await all(purgeInRounds(send, group, tried));
    expect(sent).toEqual([1_200, 700, 200].map((count) => ({ ...group, before: 1_000, most: 500, count })));
    expect(rounds.map(({ done, of }) => [done, of])).toEqual([
      [500, 1_200],
      [1_000, 1_200],
      [1_200, 1_200],
    ]);
    expect(rounds.at(-1)?.acted.done).toEqual({ removed: 1_200, gone: 0, left: 0 });
  });

  it("are left if none of them can be reached just now", async () => {
    const { sent, send } = purging([500, 0]);
    const rounds = await all(purgeInRounds(send, group, tried));
    expect([sent.length, rounds.at(-1)?.acted.done]).toEqual([2, { removed: 500, gone: 0, left: 700 }]);
  });

  it("go in one request if they are named", async () => {
    const { sent, send } = purging([2]);
    const runs = { runs: ["q:1:1", "q:2:1"] };
    await all(purgeInRounds(send, runs, { ...tried, plan: { chosen: 2 } }));
    expect(sent).toEqual([{ ...runs, before: 1_000, most: 500, count: 2 }]);
  });
});
