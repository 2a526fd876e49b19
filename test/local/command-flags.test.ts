import { Command } from "@commander-js/extra-typings";
import { describe, expect, test } from "vitest";
import { withSendFlags } from "../../cli/send/flags.ts";
import { chooseCluster, withCluster } from "../../cli/up/cluster-flags.ts";
import { runProgram } from "../support/run-program.ts";

const quiet = () => new Command("x").exitOverride().configureOutput({ writeErr: () => {} });

describe("send", () => {
  const read = (...args: string[]) => {
    const command = withSendFlags(quiet()).parse(args, { from: "user" });
    return { file: command.processedArgs[0], ...command.opts() };
  };

  test("reads what to send", () => {
    const args = ["--source", "orders/audit", "--subject", "s", "--property", "a=b=c", "--property", "d=", "--id", "i"];
    expect(read(...args, "--count", "3", "body.json")).toEqual({
      source: "orders/audit",
      subject: "s",
      property: { a: "b=c", d: "" },
      id: "i",
      count: 3,
      file: "body.json",
    });
  });

  test("reads properties that are numbers or truth values", () => {
    const given = ["n:=3", "m:=-1.5e3", "yes:=true", "no:=false", "text=3", "colon=x:=y", "a:b=c"];
    const flags = given.flatMap((one) => ["--property", one]);
    expect(read("--source", "q", ...flags, "-").property).toEqual({
      n: 3,
      m: -1500,
      yes: true,
      no: false,
      text: "3",
      colon: "x:=y",
      "a:b": "c",
    });
  });

  test("reads when the bus is to deliver", () => {
    expect(read("--source", "q", "--at", "2026-01-31T08:00+01:00", "-").at).toEqual(new Date("2026-01-31T07:00:00Z"));
    expect(read("--source", "q", "--delay", "5m", "-").delay).toBe(300_000);
  });

  test("reads the namespace in Azure to send to", () => {
    expect(read("--bus", "acme.servicebus.chinacloudapi.cn", "--source", "q", "-")).toMatchObject({
      bus: "acme.servicebus.chinacloudapi.cn",
      source: "q",
    });
  });

  test.each([
    [["-"], "'--source <name>' not specified"],
    [["--source", "q"], "'file'"],
    [["--source", "q", "a", "b"], "Expected 1 argument but got 2"],
    [["--source", "q", "--count", "0", "-"], "'--count <n>' argument '0'"],
    [["--source", "q", "--count", "100001", "-"], "'--count <n>' argument '100001'"],
    [["--source", "q", "--count", "1e9", "-"], "'--count <n>' argument '1e9'"],
    [["--source", "q", "--property", "novalue", "-"], "'--property <name=value>' argument 'novalue'"],
    [["--source", "q", "--property", "n:=three", "-"], "After := give a number, true or false"],
    [["--source", "q", "--property", "n:=Infinity", "-"], "After := give a number, true or false"],
    [["--source", "q", "--id", "x".repeat(129), "-"], "'--id <id>'"],
    [["--source", "q", "--at", "tomorrow", "-"], "Give a time with its zone"],
    [["--source", "q", "--at", "2026-01-31T08:00", "-"], "Give a time with its zone"],
    [["--source", "q", "--delay", "soon", "-"], "Give a duration such as"],
    [["--source", "q", "--bus", "acme", "-"], "'--bus <host>' argument 'acme'"],
    [["--source", "q", "--bus", "sb://acme.servicebus.windows.net", "-"], "Give its host name, such as"],
    [["--source", "q", "--unknown", "-"], "--unknown"],
  ])("refuses %j, naming %s", (args, named) => {
    expect(() => read(...args)).toThrow(named);
  });
});

describe("the cluster's flags", () => {
  const choose = (...args: string[]) => {
    const command = withCluster(quiet()).parse(args, { from: "user" });
    return chooseCluster(command.opts(), command);
  };

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

test.each(["demo", "up", "send"])("%s answers a wrong flag with a hint and exit code 2", async (program) => {
  const running = runProgram("cli", { args: [program, "--no-such-flag"] });
  expect(await running.ended).toBe(2);
  expect(running.said.stderr).toMatch(/^error: .*\nAdd --help to see what this command takes\.\n$/);
  expect(running.said.stdout).toBe("");
});
