import { describe, expect, test } from "vitest";
import { readSendFlags } from "../../local/send/send-flags.ts";
import { chooseCluster } from "../../local/stack/cluster-flags.ts";
import { runProgram } from "../support/run-program.ts";

describe("send", () => {
  test("reads what to send, and sends to the topic of a subscription", () => {
    const args = ["--source", "orders/audit", "--subject", "s", "--property", "a=b=c", "--property", "d=", "--id", "i"];
    expect(readSendFlags([...args, "--count", "3", "body.json"])).toEqual({
      entity: "orders",
      subject: "s",
      properties: { a: "b=c", d: "" },
      id: "i",
      count: 3,
      file: "body.json",
    });
  });

  test.each([
    [["-"], "--source"],
    [["--source", "q"], "FILE"],
    [["--source", "q", "a", "b"], "FILE"],
    [["--source", "q", "--count", "0", "-"], "--count 0"],
    [["--source", "q", "--count", "1e9", "-"], "--count 1e9"],
    [["--source", "q", "--property", "novalue", "-"], "--property novalue"],
    [["--source", "q", "--id", "x".repeat(129), "-"], "--id"],
    [["--source", "q", "--unknown", "-"], "--unknown"],
  ])("refuses %j, naming %s", (args, named) => {
    expect(() => readSendFlags(args)).toThrow(named);
  });
});

describe("the cluster's flags", () => {
  test("choose the stand-in if there are none, and need a kubeconfig otherwise", () => {
    expect(chooseCluster({})).toEqual({ kind: "stand-in" });
    expect(() => chooseCluster({ namespace: "x" })).toThrow("--namespace needs --kubeconfig");
    expect(() => chooseCluster({ kubeconfig: "/no/such/file" })).toThrow("/no/such/file: there is no such file");
    expect(() => chooseCluster({ kubeconfig: import.meta.filename, address: "host" })).toThrow("--address host");
    expect(chooseCluster({ kubeconfig: import.meta.filename, image: "i" })).toEqual({
      kind: "kubeconfig",
      file: import.meta.filename,
      namespace: "default",
      image: "i",
    });
  });
});

test.each(["demo", "start", "send"])("%s answers a wrong flag with its usage and exit code 2", async (program) => {
  const running = runProgram(`local/${program}`, { args: ["--no-such-flag"] });
  expect(await running.ended).toBe(2);
  expect(running.said.stderr).toContain(`usage: npm ${program === "start" ? "start" : `run ${program}`} --`);
  expect(running.said.stdout).toBe("");
});
