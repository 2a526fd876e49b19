import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { groupWrites } from "../../../shared/adapters/tables/groups.ts";
import type { Step } from "../../../shared/adapters/tables/transactions.ts";

const create = (rowKey: string, partitionKey = "p"): Step => ({ kind: "create", row: { partitionKey, rowKey } });
const keysOf = (steps: readonly Step[]) => steps.map(({ row }) => row.rowKey);

/** A service that answers when it is told to, and keeps what it was asked for. */
function aService() {
  const requests: {
    keys: string[];
    answer: () => void;
    fail: (status?: number, code?: string, message?: string) => void;
  }[] = [];
  const submit = (steps: readonly Step[]) =>
    new Promise<readonly string[]>((resolve, reject) => {
      requests.push({
        keys: keysOf(steps),
        answer: () => resolve(keysOf(steps).map((key) => `etag of ${key}`)),
        fail: (status, code, message = `answered ${status}`) =>
          reject(Object.assign(new Error(message), { name: "RestError", statusCode: status, code })),
      });
    });
  return { requests, asked: () => requests.map(({ keys }) => keys.join(" ")), write: groupWrites(submit) };
}

/** One request is on its way, and `keys` wait for their turn. */
async function aBusyService(keys: readonly string[]) {
  const service = aService();
  const first = service.write([create("first")]);
  await setImmediate();
  const writes = keys.map((key) => service.write([create(key)]));
  await setImmediate();
  expect(service.asked()).toEqual(["first"]);
  return { ...service, first, writes };
}

describe("writes to one partition", () => {
  it("go alone, and at once, where nothing is on its way", async () => {
    const { write, requests, asked } = aService();
    const written = write([create("a"), create("b")]);
    await setImmediate();
    expect(asked()).toEqual(["a b"]);
    requests[0]?.answer();
    expect(await written).toEqual(["etag of a", "etag of b"]);
  });

  it("go together where they came while another was on its way, each with its own answer", async () => {
    const { requests, asked, writes } = await aBusyService(["a", "b", "c"]);
    requests[0]?.answer();
    await setImmediate();
    expect(asked().slice(1)).toEqual(["a b c"]);
    requests[1]?.answer();
    expect(await Promise.all(writes)).toEqual([["etag of a"], ["etag of b"], ["etag of c"]]);
  });

  it("are each told their own rows' ETags, however many these are", async () => {
    const { write, requests, asked } = await aBusyService([]);
    const writes = [[create("a"), create("b")], [create("c")], [create("d"), create("e")]].map((steps) => write(steps));
    await setImmediate();
    requests[0]?.answer();
    await setImmediate();
    expect(asked().slice(1)).toEqual(["a b c d e"]);
    requests[1]?.answer();
    expect(await Promise.all(writes)).toEqual([["etag of a", "etag of b"], ["etag of c"], ["etag of d", "etag of e"]]);
  });

  it("do not wait for another partition's", async () => {
    const { write, asked } = await aBusyService(["a"]);
    void write([create("b", "another")]);
    await setImmediate();
    expect(asked().slice(1)).toEqual(["b"]);
  });

  it("never hold a row twice in one request, and keep their order", async () => {
    const { requests, asked } = await aBusyService(["a", "b", "a", "c"]);
    requests[0]?.answer();
    await setImmediate();
    requests[1]?.answer();
    await setImmediate();
    expect(asked().slice(1)).toEqual(["a b", "a c"]);
  });

  it("are a hundred steps at most", async () => {
    const { requests } = await aBusyService(Array.from({ length: 130 }, (_, n) => `row-${n}`));
    requests[0]?.answer();
    await setImmediate();
    requests[1]?.answer();
    await setImmediate();
    expect(requests.slice(1).map(({ keys }) => keys.length)).toEqual([100, 30]);
  });

  it("are a hundred steps at most, and none is cut apart, however many steps each has", async () => {
    const { write, requests } = await aBusyService([]);
    for (let n = 0; n < 40; n += 1)
      void write(Array.from({ length: 3 + (n % 2) }, (_, step) => create(`row-${n}-${step}`)));
    await setImmediate();
    for (const at of [0, 1]) {
      requests[at]?.answer();
      await setImmediate();
    }
    // 14 writes of 3 steps and 14 of 4 fit into a hundred, and another one of 3 does not.
    expect(requests.slice(1).map(({ keys }) => keys.length)).toEqual([98, 42]);
  });

  it("go together again without the one that the service refused, if it says which one that was", async () => {
    const { write, requests, asked } = await aBusyService([]);
    const writes = [[create("a"), create("b")], [create("c")], [create("d"), create("e")], [create("f")]].map((steps) =>
      write(steps),
    );
    const settled = Promise.allSettled(writes);
    await setImmediate();
    requests[0]?.answer();
    await setImmediate();
    // The step counted 4 is the last one of the third write.
    requests[1]?.fail(409, "EntityAlreadyExists", "4:The specified entity already exists.");
    await setImmediate();
    requests[2]?.fail(412, "UpdateConditionNotSatisfied", "0:The update condition was not satisfied.");
    await setImmediate();
    requests[3]?.answer();
    const outcomes = await settled;
    expect(asked().slice(1)).toEqual(["a b c d e f", "a b c f", "c f"]);
    expect(outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : outcome.reason.code))).toEqual([
      "UpdateConditionNotSatisfied",
      ["etag of c"],
      "EntityAlreadyExists",
      ["etag of f"],
    ]);
  });

  it.each([400, 409, 412, 413, 500])("go one by one after a %s, which may be one row's doing", async (status) => {
    const { requests, asked, writes } = await aBusyService(["a", "b"]);
    requests[0]?.answer();
    await setImmediate();
    requests[1]?.fail(status);
    await setImmediate();
    expect(asked().slice(2)).toEqual(["a", "b"]);
    requests[2]?.fail(status);
    requests[3]?.answer();
    await expect(writes[0]).rejects.toThrow(`answered ${status}`);
    expect(await writes[1]).toEqual(["etag of b"]);
  });

  it.each([
    [undefined],
    [401],
    [403],
    [404, "TableNotFound"],
    [408],
    [429],
    [500, "OperationTimedOut"],
    [502],
    [503],
    [504],
  ])("fail together after %s: alone they would fare no better", async (status?: number, code?: string) => {
    const { requests, writes } = await aBusyService(["a", "b"]);
    requests[0]?.answer();
    await setImmediate();
    requests[1]?.fail(status, code);
    for (const write of writes) await expect(write).rejects.toThrow(`answered ${status}`);
    expect(requests).toHaveLength(2);
  });

  it("go on after a failure", async () => {
    const { requests, asked, first, writes } = await aBusyService(["a"]);
    requests[0]?.fail(503);
    await expect(first).rejects.toThrow("503");
    await setImmediate();
    expect(asked().slice(1)).toEqual(["a"]);
    requests[1]?.answer();
    expect(await writes[0]).toEqual(["etag of a"]);
  });
});
