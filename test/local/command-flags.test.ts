import { describe, expect, test } from "vitest";
import { readSendFlags, SEND } from "../../local/send/send-flags.ts";
import { chooseCluster, makeClusterCommand } from "../../local/stack/cluster-flags.ts";
import { runProgram } from "../support/run-program.ts";

describe("send", () => {
  SEND.exitOverride().configureOutput({ writeErr: () => {} });

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

  test("reads the namespace in Azure to send to", () => {
    expect(readSendFlags(["--namespace", "acme.servicebus.chinacloudapi.cn", "--source", "q", "-"])).toMatchObject({
      namespace: "acme.servicebus.chinacloudapi.cn",
      entity: "q",
    });
  });

  test.each([
    [["-"], "'--source <name>' not specified"],
    [["--source", "q"], "'file'"],
    [["--source", "q", "a", "b"], "Expected 1 argument but got 2"],
    [["--source", "q", "--count", "0", "-"], "'--count <n>' argument '0'"],
    [["--source", "q", "--count", "10001", "-"], "'--count <n>' argument '10001'"],
    [["--source", "q", "--count", "1e9", "-"], "'--count <n>' argument '1e9'"],
    [["--source", "q", "--property", "novalue", "-"], "'--property <name=value>' argument 'novalue'"],
    [["--source", "q", "--id", "x".repeat(129), "-"], "'--id <id>'"],
    [["--source", "q", "--namespace", "acme", "-"], "'--namespace <host>' argument 'acme'"],
    [["--source", "q", "--namespace", "sb://acme.servicebus.windows.net", "-"], "Give its host name, such as"],
    [["--source", "q", "--unknown", "-"], "--unknown"],
  ])("refuses %j, naming %s", (args, named) => {
    expect(() => readSendFlags(args)).toThrow(named);
  });
});

describe("the cluster's flags", () => {
  const command = makeClusterCommand("x")
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  const choose = (...args: string[]) => chooseCluster(command.parse(args, { from: "user" }).opts(), command);

  test("choose the stand-in if there are none, and need a kubeconfig otherwise", () => {
    expect(choose()).toEqual({ kind: "stand-in" });
    expect(() => choose("--namespace", "x")).toThrow("--namespace needs --kubeconfig");
    expect(() => choose("--kubeconfig", "/no/such/file")).toThrow(
      "'--kubeconfig <file>' argument '/no/such/file' is invalid. There is no such file",
    );
    expect(() => choose("--kubeconfig", import.meta.filename, "--address", "host")).toThrow(
      "'--address <ip>' argument 'host'",
    );
    expect(choose("--kubeconfig", import.meta.filename, "--image", "i")).toEqual({
      kind: "kubeconfig",
      file: import.meta.filename,
      namespace: "default",
      image: "i",
    });
  });
});

test.each(["demo", "start", "send"])("%s answers a wrong flag with a hint and exit code 2", async (program) => {
  const running = runProgram(`local/${program}`, { args: ["--no-such-flag"] });
  expect(await running.ended).toBe(2);
  expect(running.said.stderr).toMatch(/^error: .*\nAdd --help to see what this command takes\.\n$/);
  expect(running.said.stdout).toBe("");
});
