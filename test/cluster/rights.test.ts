import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { makeKubernetesJobs } from "../../shared/adapters/kubernetes/jobs.ts";
import { systemClock } from "../../shared/clock.ts";
import { RIGHTS, type Right } from "../../shared/ports/rights.ts";
import { makePreflight } from "../../shared/preflight.ts";
import { makeFakeBroker } from "../support/fake-broker.ts";
import { makeFakePayloadStore } from "../support/fake-payload-store.ts";
import { makeFakeRunTable } from "../support/fake-run-table.ts";
import type { LogLine } from "./app-log.ts";
import { type DispatcherUnderTest, type Sent, startDispatcher } from "./dispatcher-under-test.ts";
import { sh } from "./module-files.ts";
import { letGo, runningPod, UNTIL_LET_GO } from "./pods.ts";

const ONCE = { maxAttempts: 1 };

interface WithoutRight {
  /** A right, as in `RIGHTS`. Each of those that something waits for is taken away once. */
  readonly right: `${Right["verb"]} ${Right["resource"]}`;
  readonly cannot: string;
  /** The module whose message shows that the right is missing. */
  readonly module: "quick" | "long" | "failing" | "podless";
  readonly message: RegExp;
  /** Whether the message waits until the right is back. If not, it is settled all the same. */
  readonly waits: boolean;
}

const LEFT = /^left a (run|deferred message) to the /;
const HELD_UP = /^reconcile is held up$/;

const WITHOUT: readonly WithoutRight[] = [
  { right: "create jobs", cannot: "start an attempt", module: "quick", message: LEFT, waits: true },
  // A Job that succeeded is not always read: its pod may prove it.
  { right: "get jobs", cannot: "see why a Job failed", module: "failing", message: LEFT, waits: true },
  { right: "list jobs", cannot: "see which Jobs there are", module: "long", message: HELD_UP, waits: true },
  { right: "patch jobs", cannot: "mark a Job as settled", module: "long", message: LEFT, waits: true },
  { right: "list pods", cannot: "see which pods there are", module: "long", message: HELD_UP, waits: true },
  {
    right: "get pods/log",
    cannot: "keep a Job's log",
    module: "long",
    message: /^a log could not be stored$/,
    waits: false,
  },
  { right: "list events", cannot: "see why a Job gets no pod", module: "podless", message: LEFT, waits: true },
];

let app: DispatcherUnderTest;
let findings: () => ReturnType<ReturnType<typeof makePreflight>>;
let mayI: (right: Right) => Promise<boolean>;

beforeAll(async () => {
  app = await startDispatcher({
    modules: {
      quick: { retry: ONCE, worker: sh("echo done") },
      long: { retry: ONCE, worker: sh(UNTIL_LET_GO) },
      failing: { retry: ONCE, worker: sh(`${UNTIL_LET_GO}; exit 3`) },
      podless: {
        retry: ONCE,
        startTimeout: "5s",
        worker: { ...sh("echo done"), securityContext: { runAsUser: 0, runAsNonRoot: false } },
      },
    },
  });
  const { namespace, instance, files } = app;
  const cluster = makeKubernetesJobs({ kubeconfig: files.kubeconfig, namespace, instance });
  mayI = (right) => cluster.mayI(right);
  const clock = systemClock;
  findings = makePreflight({
    // Without a module the app asks nothing of the bus. The rows and bodies don't matter for rights.
    broker: makeFakeBroker({ clock, lockDurationMs: 300_000 }),
    instanceTable: makeFakeRunTable({ clock }),
    payloads: makeFakePayloadStore({ clock }),
    bodyAccess: "inline",
    cluster,
    namespace,
    instance,
    clock,
    modules: new Map(),
    jobRetentionMs: 3_600_000,
    kedaVersion: undefined,
  });
});
afterAll(() => app?.close());

/** Resolves once the API server has noticed the new rights. */
async function grant(rights: readonly Right[]): Promise<void> {
  await app.account.grant(rights);
  await vi.waitFor(
    async () => {
      const allowed = await Promise.all(RIGHTS.map(mayI));
      expect(RIGHTS.filter((_, index) => allowed[index])).toEqual(rights);
    },
    { timeout: 30_000, interval: 100 },
  );
}

/** Sends a message whose Job ends, or has to be looked into, only when `goOn` is called. */
async function begin(module: WithoutRight["module"]): Promise<{ goOn: () => Promise<Sent> }> {
  if (module === "quick" || module === "podless") return { goOn: () => app.send(module) };
  const sent = await app.send(module);
  const podName = await runningPod(app, await sent.job());
  return {
    async goOn() {
      await letGo(app, podName);
      return sent;
    },
  };
}

test("the table takes each right away once that something waits for", () => {
  const needed = RIGHTS.filter(({ without }) => without === undefined);
  expect(WITHOUT.map(({ right }) => right)).toEqual(needed.map(({ verb, resource }) => `${verb} ${resource}`));
});

test("exactly the documented rights are enough", async () => {
  expect(await findings()).toEqual([]);
});

describe("without the right to", () => {
  test.for(WITHOUT)("$right, the Dispatcher can't $cannot, and the preflight says so", async (given) => {
    const { goOn } = await begin(given.module);
    const right = RIGHTS.find(({ verb, resource }) => `${verb} ${resource}` === given.right);
    if (!right) throw new Error(`${given.right} is none of the rights`);
    await grant(RIGHTS.filter((other) => other !== right));
    try {
      const found = (await findings()).map(({ level, text }) => `${level}: ${text}`);
      expect(found).toContainEqual(expect.stringMatching(`^error: the Dispatcher may not ${given.right}`));
      const since = app.log.position();
      const sent = await goOn();
      const forbidden = new RegExp(`cannot ${right.verb} resource "${right.resource}"`);
      const isTold = ({ message, why }: LogLine) => given.message.test(message) && forbidden.test(String(why));
      await app.log.until(isTold, since);
      if (given.waits) {
        await app.log.until(isTold, app.log.position());
        // The run is still open, so the message is neither settled nor given up.
        await sent.run();
        await grant(RIGHTS);
      }
      const { run, logs } = await sent.end();
      expect(run).toMatchObject({
        attempt: 1,
        interruptions: 0,
        status: given.module === "podless" || given.module === "failing" ? "failed" : "succeeded",
      });
      expect(Object.keys(logs)).toEqual(given.waits && given.module !== "podless" ? ["1/worker"] : []);
    } finally {
      await grant(RIGHTS);
    }
  });
});

test("without the right to get the namespace everything goes on, and the preflight says so", async () => {
  await grant(RIGHTS.filter(({ resource }) => resource !== "namespaces"));
  try {
    const found = (await findings()).map(({ level, text }) => `${level}: ${text}`);
    expect(found).toEqual([expect.stringMatching(/^warning: the Dispatcher may not get namespaces in namespace /)]);
    const { run } = await (await app.send("quick")).end();
    expect(run).toMatchObject({ attempt: 1, interruptions: 0, status: "succeeded" });
  } finally {
    await grant(RIGHTS);
  }
});
