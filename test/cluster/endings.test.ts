import { BatchV1Api, CoreV1Api } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DispatcherUnderTest, startDispatcher } from "./dispatcher-under-test.ts";
import type { MessageEnd } from "./message-end.ts";
import { restricted, sh } from "./module-files.ts";

const ONCE = { maxAttempts: 1 };
const SOON = { first: "1s", max: "1s" };
/** A sidecar that fails when its pod ends it. */
const SIDECAR = {
  ...restricted("proxy", "echo listening; trap 'exit 3' TERM; while true; do sleep 1; done"),
  restartPolicy: "Always",
};

function besideSidecar(script: string) {
  const spec = {
    initContainers: [SIDECAR],
    containers: [restricted("main", script)],
    terminationGracePeriodSeconds: 5,
  };
  return { retry: ONCE, jobTemplate: { spec: { template: { spec } } } };
}

interface Completed {
  readonly name: string;
  readonly module: object;
  readonly attempt: number;
  readonly logs: Readonly<Record<string, string>>;
}

const COMPLETED: readonly Completed[] = [
  {
    name: "a worker that exits with 0",
    module: { worker: sh("echo working; echo done") },
    attempt: 1,
    logs: { "1/worker": "working\ndone\n" },
  },
  {
    name: "a worker that fails once",
    module: {
      retry: { maxAttempts: 3, backoff: SOON },
      worker: sh('echo "attempt $DISPATCHER_ATTEMPT"; [ "$DISPATCHER_ATTEMPT" = 2 ]'),
    },
    attempt: 2,
    logs: { "1/worker": "attempt 1\n", "2/worker": "attempt 2\n" },
  },
  {
    name: "prepare, worker and commit, each over what the one before it left",
    module: {
      worker: sh('echo "$(cat /ion/in) worked"; echo out > /ion/out'),
      handler: sh('echo "$DISPATCHER_PHASE $(cat /ion/out 2>/dev/null)"; echo in > /ion/in'),
    },
    attempt: 1,
    logs: { "1/prepare": "prepare \n", "1/worker": "in worked\n", "1/commit": "commit out\n" },
  },
  {
    name: "a worker beside a sidecar that ends badly after it",
    module: besideSidecar("echo done"),
    attempt: 1,
    logs: { "1/main": "done\n", "1/proxy": "listening\n" },
  },
];

interface DeadLettered {
  readonly name: string;
  readonly module: object;
  readonly reason: string;
  /** The last attempt's number, and how many attempts the module allows. */
  readonly attempt: readonly [number, number];
  readonly exitCode?: number;
  readonly says: string;
  readonly logs: Readonly<Record<string, string>>;
}

const DEAD_LETTERED: readonly DeadLettered[] = [
  {
    name: "a worker that exits with 1 on every attempt",
    module: { retry: { maxAttempts: 2, backoff: SOON }, worker: sh("echo copying; echo disk full; exit 1") },
    reason: "JobFailed",
    attempt: [2, 2],
    exitCode: 1,
    says: "worker exited with code 1: disk full",
    logs: { "1/worker": "copying\ndisk full\n", "2/worker": "copying\ndisk full\n" },
  },
  {
    name: "a permanent exit code, on the first attempt",
    module: { retry: { maxAttempts: 5, permanentExitCodes: [64] }, worker: sh("echo no such customer >&2; exit 64") },
    reason: "JobFailed",
    attempt: [1, 5],
    exitCode: 64,
    says: "worker exited with code 64, which is permanent: no such customer",
    logs: { "1/worker": "no such customer\n" },
  },
  {
    name: "a worker that runs for longer than maxRunningTime",
    module: {
      retry: ONCE,
      // On a busy node a container may take seconds of this to start.
      maxRunningTime: "20s",
      worker: sh("trap 'exit 143' TERM; echo step 1 of 2; sleep 600 & wait"),
    },
    reason: "JobTimedOut",
    attempt: [1, 1],
    says: "ran longer than maxRunningTime (20 s): step 1 of 2",
    logs: { "1/worker": "step 1 of 2\n" },
  },
  {
    name: "a worker that runs out of memory",
    module: {
      retry: ONCE,
      worker: { ...sh("echo sorting; exec tail /dev/zero"), resources: { limits: { memory: "24Mi" } } },
    },
    reason: "JobFailed",
    attempt: [1, 1],
    exitCode: 137,
    says: "worker ran out of memory (OOMKilled, exit code 137): sorting",
    logs: { "1/worker": "sorting\n" },
  },
  {
    name: "prepare that fails, without the worker having run",
    module: {
      retry: ONCE,
      worker: sh("echo worked"),
      handler: sh("echo no such blob; exit 3"),
    },
    reason: "JobFailed",
    attempt: [1, 1],
    exitCode: 3,
    says: "prepare exited with code 3: no such blob",
    logs: { "1/prepare": "no such blob\n" },
  },
  {
    name: "a worker that fails beside a sidecar",
    module: besideSidecar("echo no input; exit 1"),
    reason: "JobFailed",
    attempt: [1, 1],
    exitCode: 1,
    says: "main exited with code 1: no input",
    logs: { "1/main": "no input\n", "1/proxy": "listening\n" },
  },
];

const MIB = 1024 * 1024;
/** Writes one and a half MiB, in lines of 64 bytes. */
const CHATTY = { retry: ONCE, worker: sh("yes $(printf %063d 0) | head -n 24576; echo the end; exit 1") };

describe("a message on a real cluster", () => {
  let app: DispatcherUnderTest;
  beforeAll(async () => {
    const all = [...COMPLETED, ...DEAD_LETTERED].map(({ module }, index) => [`case-${index}`, module]);
    app = await startDispatcher({ modules: { ...Object.fromEntries(all), chatty: CHATTY } });
  });
  afterAll(() => app?.close());

  const through = async (of: { readonly module: object }): Promise<MessageEnd> => {
    const index = [...COMPLETED, ...DEAD_LETTERED].findIndex(({ module }) => module === of.module);
    return (await app.send(`case-${index}`)).end();
  };

  test.concurrent.for(COMPLETED)("is completed: $name", async (given) => {
    const { run, letter, logs } = await through(given);
    expect(letter).toBeUndefined();
    const failures = given.attempt - 1;
    expect(run).toMatchObject({ status: "succeeded", attempt: given.attempt, failures, interruptions: 0 });
    expect(logs).toEqual(given.logs);
    expect(run.logsUrl).toMatch(new RegExp(String.raw`^http.*/attempt-${given.attempt}/\w+\.log$`));
  });

  test.concurrent.for(DEAD_LETTERED)("is dead-lettered: $name", async (given) => {
    const { run, letter, logs } = await through(given);
    const [attempt, maxAttempts] = given.attempt;
    const description = `Job ${run.jobName}, attempt ${attempt} of ${maxAttempts}: ${given.says}`;
    expect(letter).toEqual({
      reason: given.reason,
      description,
      properties: expect.objectContaining({
        "dispatcher-reason": given.reason,
        "dispatcher-attempt": attempt,
        "dispatcher-failures": attempt,
        "dispatcher-interruptions": 0,
        "dispatcher-job": run.jobName,
        "dispatcher-last-error": description,
        "dispatcher-logs": run.logsUrl,
        ...(given.exitCode === undefined ? {} : { "dispatcher-exit-code": given.exitCode }),
      }),
    });
    expect(logs).toEqual(given.logs);
    expect(Object.keys(logs).some((of) => run.logsUrl?.endsWith(`/attempt-${of}.log`))).toBe(true);
  });

  test.concurrent("keeps the last MiB of a longer log", async () => {
    const { run, letter, logs } = await (await app.send("chatty")).end();
    const kept = logs["1/worker"] ?? "";
    expect(kept).toHaveLength(MIB);
    expect(kept.slice(-12)).toBe("000\nthe end\n");
    expect(letter?.description).toMatch(/: worker exited with code 1: .*the end$/s);
    expect(letter?.properties["dispatcher-logs"]).toBe(run.logsUrl);
  });

  test.concurrent("leaves the Jobs of all its attempts to be removed an hour after their end", async () => {
    const sent = await app.send(`case-${COMPLETED.findIndex(({ attempt }) => attempt > 1)}`);
    const names = [await sent.job(1), await sent.job(2)];
    await sent.end();
    const batch = app.admin.makeApiClient(BatchV1Api);
    for (const name of names) {
      const { metadata, spec, status } = await batch.readNamespacedJob({ name, namespace: app.namespace });
      expect(metadata?.labels?.["ion/retired"]).toBe("true");
      const ended = status?.conditions?.find(({ type }) => type === "Complete" || type === "Failed");
      expect(ended).toBeDefined();
      expect(spec?.ttlSecondsAfterFinished).toBeGreaterThanOrEqual(3_600);
    }
  });

  test.concurrent("gets a pod that carries no API token", async () => {
    const sent = await app.send("case-0");
    const jobName = await sent.job();
    await sent.end();
    const core = app.admin.makeApiClient(CoreV1Api);
    const labelSelector = `batch.kubernetes.io/job-name=${jobName}`;
    const { items } = await core.listNamespacedPod({ namespace: app.namespace, labelSelector });
    const volumes = items.flatMap(({ spec }) => spec?.volumes ?? []);
    expect(items).toHaveLength(1);
    expect(volumes.map(({ name }) => name)).toEqual(["dispatcher-message", "tmp"]);
  });
});
