import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  readState,
  refuseSecondStack,
  removeState,
  untilStateIsSure,
  writeState,
} from "../../cli/target/stack-state.ts";
import { busEntities } from "../../local/stack/bus-entities.ts";
import { isReal } from "../../local/stack/is-real.ts";
import { modulesWithImage } from "../../local/stack/modules-with-image.ts";
import { neededEnvironment } from "../../local/stack/own-environment.ts";
import { startPart } from "../../local/stack/part.ts";
import { isIdle, readable } from "../../local/stack/readable-line.ts";
import { loadModules } from "../../shared/module-files/load-modules.ts";
import { readLocalSettings } from "../../shared/settings/local-settings.ts";
import { ROOT } from "../support/run-program.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "stack-test-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe("the state file", () => {
  test("tells of a stack whose process and app are there, to this user alone", async () => {
    const app = createServer((_, response) => response.end()).listen(0, "127.0.0.1");
    await vi.waitFor(() => expect(app.listening).toBe(true));
    const address = app.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    const file = join(directory, "state", "stack.json");
    const state = {
      pid: process.pid,
      app: `http://127.0.0.1:${port}`,
      settings: { ServiceBus: "secret" },
      entities: ["q"],
    };
    await writeState(state, file);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readState(file)).toEqual(state);
    await removeState(process.pid + 1, file);
    expect(await readState(file)).toEqual(state);
    // The process lives on without the app, like another process that got the same id.
    await new Promise((resolve) => app.close(resolve));
    expect(await readState(file)).toBeUndefined();
    // A command must not go on to another Dispatcher, because the app may only be loading modules.
    await expect(untilStateIsSure(file, 300)).rejects.toThrow(
      new RegExp(`^The stack of this machine \\(process ${process.pid}\\) does not answer\\.`),
    );
    const asking = untilStateIsSure(file, 10_000);
    const again = createServer((_, response) => response.end()).listen(port, "127.0.0.1");
    expect(await asking).toEqual(state);
    await new Promise((resolve) => again.close(resolve));
    await removeState(process.pid, file);
    await expect(stat(file)).rejects.toThrow("ENOENT");
  });

  test("serves the commands while the app takes connections and says nothing", { timeout: 20_000 }, async () => {
    const halted = createServer(() => {}).listen(0, "127.0.0.1");
    await vi.waitFor(() => expect(halted.listening).toBe(true));
    const address = halted.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    const file = join(directory, "halted.json");
    const state = {
      pid: process.pid,
      app: `http://127.0.0.1:${port}`,
      settings: { ServiceBus: "secret" },
      entities: [],
    };
    await writeState(state, file);
    expect(await untilStateIsSure(file)).toEqual({ ...state, isSilent: true });
    halted.closeAllConnections();
    await new Promise((resolve) => halted.close(resolve));
  });

  test("keeps a second stack from starting beside one that is halted", { timeout: 30_000 }, async () => {
    const app = `require("node:http").createServer((_, response) => response.end()).listen(0, "127.0.0.1", function () {
      console.log(this.address().port);
    })`;
    const stack = spawn(process.execPath, ["-e", app], { stdio: ["ignore", "pipe", "inherit"] });
    const gone = once(stack, "exit");
    try {
      const [port] = await once(stack.stdout, "data");
      const { pid = 0 } = stack;
      const file = join(directory, "frozen.json");
      await writeState({ pid, app: `http://127.0.0.1:${Number(port)}`, settings: {}, entities: [] }, file);
      await expect(refuseSecondStack(file)).rejects.toThrow(`npm start runs here already. Stop it first: kill ${pid}`);
      process.kill(pid, "SIGSTOP");
      await expect(refuseSecondStack(file)).rejects.toThrow(
        `npm start runs here already (process ${pid}), and its app does not answer, as if it were halted. Stop it first: kill ${pid}; kill -CONT ${pid}.`,
      );
      stack.kill("SIGKILL");
      await gone;
      await expect(refuseSecondStack(file)).resolves.toBeUndefined();
    } finally {
      stack.kill("SIGKILL");
    }
  });

  test("is not read if the process is gone, or the file is malformed", async () => {
    const file = join(directory, "stale.json");
    expect(await readState(file)).toBeUndefined();
    await writeState({ pid: 2 ** 30, app: "http://127.0.0.1:1", settings: {}, entities: [] }, file);
    expect(await readState(file)).toBeUndefined();
    expect(await untilStateIsSure(file)).toBeUndefined();
    await writeFile(file, "{");
    expect(await readState(file)).toBeUndefined();
  });
});

describe("local.settings.json", () => {
  test("is read, may be missing, and says what is wrong with it", async () => {
    const file = join(directory, "local.settings.json");
    expect(await readLocalSettings(file)).toEqual({});
    await writeFile(file, `{ "IsEncrypted": false, "Values": { "A": "b" } }`);
    expect(await readLocalSettings(file)).toEqual({ A: "b" });
    await writeFile(file, `{ "Values": { "A": 1 } }`);
    await expect(readLocalSettings(file)).rejects.toThrow(/local\.settings\.json: Values\.A/);
    await writeFile(file, "{");
    await expect(readLocalSettings(file)).rejects.toThrow("is not JSON");
  });

  test.each([
    [{}, false],
    [{ ServiceBus: "" }, false],
    [{ ServiceBus: "Endpoint=sb://localhost;UseDevelopmentEmulator=true;" }, false],
    [{ ServiceBus: "Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=b" }, true],
    [{ ServiceBus__fullyQualifiedNamespace: "acme.servicebus.windows.net" }, true],
  ])("%j names a real bus: %s", (values: Record<string, string>, real) => {
    expect(isReal(values, "ServiceBus")).toBe(real);
  });

  test("of the development kind names no real storage", () => {
    expect(isReal({ AzureWebJobsStorage: "UseDevelopmentStorage=true" }, "AzureWebJobsStorage")).toBe(false);
    expect(isReal({ AzureWebJobsStorage__accountName: "acme" }, "AzureWebJobsStorage")).toBe(true);
  });
});

test("a part's environment holds what a process needs, and no setting or secret", () => {
  const env = { PATH: "/bin", HOME: "/h", ServiceBus: "secret", AZURE_CLIENT_SECRET: "secret", KUBECONFIG: "mine" };
  expect(neededEnvironment(env)).toEqual({ PATH: "/bin", HOME: "/h" });
});

test("the bus holds each source once, with its subscription's filter", () => {
  const filter = { subject: "s" };
  const sources = [
    { queue: "a" },
    { queue: "A" },
    { topic: "t", subscription: "one" },
    { topic: "T", subscription: "two" },
  ];
  expect(busEntities(sources, { lockDurationMs: 5, filters: { "t/one": filter } })).toEqual({
    queues: [{ name: "A", lockDurationMs: 5 }],
    topics: [
      {
        name: "t",
        subscriptions: [
          { name: "one", lockDurationMs: 5, filter },
          { name: "two", lockDurationMs: 5 },
        ],
      },
    ],
  });
});

test("the samples run with another image if one is given, and are otherwise unchanged", async () => {
  const copy = await modulesWithImage(join(ROOT, "modules"), "registry.test/sh:1");
  const [own, other] = [loadModules(join(ROOT, "modules")), loadModules(copy)];
  await rm(copy, { recursive: true });
  const images = other.flatMap(({ work }) =>
    work.kind === "worker" ? [work.worker.image, work.handler?.image ?? work.worker.image] : [],
  );
  expect(new Set(images)).toEqual(new Set(["registry.test/sh:1"]));
  expect(other.map(({ name, source }) => ({ name, source }))).toEqual(
    own.map(({ name, source }) => ({ name, source })),
  );
});

describe("a part that fails", () => {
  const program = (source: string) => {
    const file = join(directory, `${Math.random()}.mjs`);
    return writeFile(file, source).then(() => file);
  };
  const start = async (source: string, onLine?: (line: string) => void) =>
    startPart({
      name: "broker",
      program: await program(source),
      env: {},
      stopTimeoutMs: 500,
      ...(onLine ? { onLine } : {}),
    });

  test("before it is ready is named, with its last lines", async () => {
    await expect(start(`console.error("port is on fire"); process.exit(3);`)).rejects.toThrow(
      /the broker ended with exit code 3\. Its last lines:\n {2}port is on fire/,
    );
  });

  test("before it is ready is known by its process", async () => {
    const spawned: number[] = [];
    const starting = startPart({
      name: "broker",
      program: await program(`console.error(process.pid); setTimeout(() => process.exit(3), 100);`),
      env: {},
      stopTimeoutMs: 500,
      onSpawn: (pid) => spawned.push(pid),
    });
    expect(spawned).toHaveLength(1);
    await expect(starting).rejects.toThrow(`Its last lines:\n  ${spawned[0]}`);
  });

  test("later says so by itself; one that is stopped does not", async () => {
    const ready = `process.stdout.write('{"ready":true,"n":1}\\n');`;
    const failing = await start(`${ready} setTimeout(() => process.exit(4), 50);`);
    expect(failing.ready["n"]).toBe(1);
    expect(await failing.died).toContain("the broker ended with exit code 4");
    const stopped = await start(`${ready} setInterval(() => {}, 1000);`);
    await stopped.stop();
    expect(() => process.kill(stopped.pid, 0)).toThrow("ESRCH");
    expect(await Promise.race([stopped.died, Promise.resolve("silent")])).toBe("silent");
  });

  test("to end when it is asked to is killed", async () => {
    const stubborn = await start(
      `process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); process.stdout.write('{"ready":true}\\n');`,
    );
    await stubborn.stop();
    expect(() => process.kill(stubborn.pid, 0)).toThrow("ESRCH");
  });
});

describe("the log of npm start", () => {
  test("shows a line as people read it", () => {
    const line = `2026-01-02T03:04:05.678Z warning reconcile {"message":"an attempt ended","instance":"dispatcher","attempt":2,"why":"exit 1"}`;
    expect(readable("app", line)).toBe("03:04:05.678 WARNING reconcile: an attempt ended  attempt=2  why=exit 1");
    expect(readable("app", "    at somewhere")).toBe("app:     at somewhere");
    expect(readable("broker", "broker: port 1 is taken")).toBe("broker: port 1 is taken");
    expect(readable("app", "a \u001b[31mred\u001b[0m line")).toBe("app: a red line");
  });

  test("leaves out ticks that found nothing to do, and shows the others", () => {
    const tick = (facts: object) =>
      `2026-01-02T03:04:05.678Z information reconcile ${JSON.stringify({ message: "reconciled", ...facts })}`;
    expect(isIdle(tick({ open: 0, orphans: 0 }))).toBe(true);
    expect(isIdle(tick({ open: 0, orphans: 1 }))).toBe(false);
    expect(isIdle(tick({ open: 2, orphans: 0 }))).toBe(false);
  });
});
