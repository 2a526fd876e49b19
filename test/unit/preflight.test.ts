import { describe, expect, it } from "vitest";
import { ConfigError, UnavailableError } from "../../shared/errors.ts";
import { makeLog } from "../../shared/log.ts";
import type { Module } from "../../shared/modules/module.ts";
import type { TrialOutcome } from "../../shared/ports/job-cluster.ts";
import type { BodyAccess } from "../../shared/ports/payload-store.ts";
import { RIGHTS } from "../../shared/ports/rights.ts";
import { logPreflight, makePreflight } from "../../shared/preflight.ts";
import { buildJob } from "../contract/job-harness.ts";
import { aModule } from "../support/a-module.ts";
import { makeFakeBroker } from "../support/fake-broker.ts";
import { FakeCluster } from "../support/fake-cluster.ts";
import { makeFakePayloadStore } from "../support/fake-payload-store.ts";
import { makeFakeRunTable } from "../support/fake-run-table.ts";
import { makeTestClock } from "../support/test-clock.ts";

const HOUR_MS = 3_600_000;
const withImage = (name: string, image: string): Module =>
  aModule({
    name,
    file: `modules/${name}.yaml`,
    work: { kind: "worker", worker: { image }, handler: undefined },
  });
const GOOD = withImage("good", "busybox");
const BAD = withImage("bad", "");

interface Over {
  readonly modules?: readonly Module[];
  readonly jobRetentionMs?: number;
  readonly bodyAccess?: BodyAccess;
  readonly kedaVersion?: string;
}

function aPreflight(over: Over = {}) {
  const clock = makeTestClock();
  const cluster = new FakeCluster({ clock });
  const table = makeFakeRunTable({ clock });
  const payloads = makeFakePayloadStore({ clock });
  const broker = makeFakeBroker({ clock, lockDurationMs: 300_000 });
  const look = makePreflight({
    broker,
    instanceTable: table,
    payloads,
    cluster,
    clock,
    modules: new Map((over.modules ?? [GOOD]).map((module) => [module.name, module])),
    instance: "dispatcher",
    namespace: "jobs",
    bodyAccess: over.bodyAccess ?? "inline",
    jobRetentionMs: over.jobRetentionMs ?? HOUR_MS,
    kedaVersion: over.kedaVersion,
  });
  /** Answers each trial of a module like this. */
  const judge = (module: string, outcome: TrialOutcome) =>
    cluster.judgeTrials((job) => (job.metadata?.labels?.["ion/module"] === module ? outcome : undefined));
  return { clock, table, payloads, broker, cluster, look, judge };
}

describe("the modules' Jobs", () => {
  it("are tried twice each, with the body in the Job and with its URL, and nothing is created", async () => {
    const { cluster, look } = aPreflight({ modules: [GOOD, withImage("other", "busybox")] });
    expect(await look()).toEqual([]);
    expect(cluster.trials).toHaveLength(4);
    expect(cluster.creates).toEqual([]);
    expect(cluster.names()).toEqual([]);
  });

  it("are told by module, file and field where the API server refuses them, once for both", async () => {
    const { look } = aPreflight({ modules: [BAD, GOOD] });
    expect(await look()).toEqual([
      {
        level: "error",
        module: "bad",
        file: "modules/bad.yaml",
        field: "worker.image",
        text: "the API server refuses the Job: Required value (spec.template.spec.containers[0].image of the Job). Correct the module, or every message will be dead-lettered as JobNotStarted",
      },
    ]);
  });

  it("are refused in the server's own words where it names no field", async () => {
    const { look, judge } = aPreflight({ modules: [GOOD, withImage("other", "busybox")] });
    judge("other", { kind: "refused", message: `admission webhook "w" denied the request: no`, faults: [] });
    const findings = await look();
    expect(findings).toMatchObject([{ level: "error", module: "other" }]);
    expect(findings[0]?.text).toContain(`admission webhook "w" denied the request: no`);
    expect(findings[0]).not.toHaveProperty("field");
  });

  it.each<{ outcome: TrialOutcome; field?: string; says: string }>([
    {
      outcome: { kind: "accepted", warnings: [`unknown field "spec.template.spec.containers[0].resources.limit"`] },
      field: "worker.resources.limit",
      says: "unknown field",
    },
    { outcome: { kind: "accepted", warnings: ["would violate PodSecurity"] }, says: "would violate PodSecurity" },
    { outcome: { kind: "quota", message: "exceeded quota: q" }, says: "exceeded quota: q" },
    { outcome: { kind: "can't be tried", message: "does not support dry run" }, says: "does not support dry run" },
  ])("are warned of, and no more, where $says", async ({ outcome, field, says }) => {
    const { look, judge } = aPreflight();
    judge("good", outcome);
    const findings = await look();
    expect(findings).toMatchObject([{ level: "warning", module: "good" }]);
    expect(findings[0]?.field).toBe(field);
    expect(findings[0]?.text).toContain(says);
  });

  it("are told if a policy of the cluster changes what the Dispatcher depends on, with what would follow", async () => {
    const { cluster, look } = aPreflight();
    cluster.judgeTrials((job) => {
      const stored = structuredClone(job);
      stored.metadata = { ...stored.metadata, labels: { ...stored.metadata?.labels, "ion/attempt": "9", team: "a" } };
      if (stored.spec) stored.spec.backoffLimit = 6;
      return { kind: "accepted", warnings: [], stored };
    });
    expect((await look()).map(({ level, module, text }) => [level, module, text])).toEqual([
      [
        "error",
        "good",
        'a policy or webhook of the cluster changes metadata.labels[ion/attempt] from "1" to "9" in the Job. The Dispatcher would not know its own Jobs, and start the next attempt beside one that runs. Exempt the Jobs of namespace jobs from it',
      ],
      ["error", "good", expect.stringContaining("changes spec.backoffLimit from 0 to 6 in the Job. The cluster would")],
    ]);
  });

  it("are judged for the other modules where one can't be tried for an outage", async () => {
    const { cluster, look } = aPreflight({ modules: [GOOD, BAD] });
    cluster.failNext("tryCreate", new UnavailableError("failed calling webhook"));
    const findings = await look();
    expect(findings.map(({ module, field }) => [module, field])).toEqual([
      ["bad", "worker.image"],
      ["good", undefined],
    ]);
    expect(findings[1]?.text).toBe("the Jobs of good could not be tried: failed calling webhook");
  });
});

it("names the worst first", async () => {
  const { cluster, look } = aPreflight({ modules: [GOOD, BAD] });
  cluster.judgeTrials((job) =>
    job.metadata?.labels?.["ion/module"] === "good" ? { kind: "accepted", warnings: ["deprecated"] } : undefined,
  );
  expect((await look()).map(({ level }) => level)).toEqual(["error", "warning"]);
});

describe("with PAYLOADS=identity, the identity of a module's Jobs", () => {
  const USE = { "azure.workload.identity/use": "true" };
  const withPod = (labels: Record<string, string>, serviceAccountName?: string): Module => {
    const spec = {
      containers: [{ name: "main", image: "busybox" }],
      ...(serviceAccountName ? { serviceAccountName } : {}),
    };
    const jobTemplate = { spec: { template: { metadata: { labels }, spec } } };
    return aModule({ name: "good", work: { kind: "jobTemplate", jobTemplate } });
  };

  it("is missed if the module names none, because its Jobs could read no body", async () => {
    const { look } = aPreflight({ bodyAccess: "identity" });
    expect(await look()).toEqual([
      {
        level: "warning",
        module: "good",
        file: "modules/good.yaml",
        field: "serviceAccountName",
        text: "PAYLOADS is identity, and the Jobs of this module have no identity to read their bodies with. Name a ServiceAccount whose identity has the role Storage Blob Data Reader on the container dispatcher-payloads",
      },
    ]);
  });

  it.each([
    { name: "no account", module: withPod(USE) },
    { name: "no label", module: withPod({}, "dispatcher-job") },
  ])("is missed in a whole Job with $name, by the fields of the Job", async ({ module }) => {
    const { look } = aPreflight({ bodyAccess: "identity", modules: [module] });
    const findings = await look();
    expect(findings).toMatchObject([{ level: "warning", field: "jobTemplate.spec.template" }]);
    expect(findings[0]?.text).toMatch(
      / in spec\.serviceAccountName, and set the label azure\.workload\.identity\/use to "true"$/,
    );
  });

  it("is not missed where it is named, nor where bodies are inline", async () => {
    const work = { kind: "worker", worker: { image: "busybox" }, handler: undefined, serviceAccountName: "a" } as const;
    for (const module of [aModule({ work }), withPod(USE, "a")])
      expect(await aPreflight({ bodyAccess: "identity", modules: [module] }).look()).toEqual([]);
    expect(await aPreflight({ bodyAccess: "inline" }).look()).toEqual([]);
  });
});

describe("the version of the cluster", () => {
  it("is an error below 1.31, and says what would go wrong", async () => {
    const { cluster, look } = aPreflight();
    cluster.runsVersion = { major: 1, minor: 30 };
    expect(await look()).toEqual([
      {
        level: "error",
        text: "the cluster runs Kubernetes 1.30, which calls a Job failed while its pod may still run, so that an attempt could be done twice at once. Upgrade the cluster to 1.31 or later",
      },
    ]);
  });

  it.each([
    { name: "1.31", version: { major: 1, minor: 31 } },
    { name: "2.0", version: { major: 2, minor: 0 } },
    { name: "one that can't be read", version: undefined },
  ])("is right as $name", async ({ version }) => {
    const { cluster, look } = aPreflight();
    cluster.runsVersion = version;
    expect(await look()).toEqual([]);
  });
});

describe("the version of KEDA", () => {
  it("is an error if the app sleeps, and KEDA is older than the chart was told", async () => {
    const { cluster, look } = aPreflight({ kedaVersion: "2.19.0" });
    cluster.hasWakingKeda = false;
    expect(await look()).toEqual([
      {
        level: "error",
        field: "KEDA_VERSION",
        text: "the chart was told that KEDA is 2.19.0, but the cluster's is older than 2.19, which may let the app sleep while its messages can't be counted. Upgrade KEDA to 2.19 or later, or set scaling.scaleToZero to false in the chart's values",
      },
    ]);
  });

  it.each([
    { name: "KEDA is new enough", kedaVersion: "2.19.0", hasWakingKeda: true },
    { name: "the cluster doesn't say", kedaVersion: "2.19.0", hasWakingKeda: undefined },
    { name: "the app does not sleep", kedaVersion: undefined, hasWakingKeda: false },
  ])("is right if $name", async ({ kedaVersion, hasWakingKeda }) => {
    const { cluster, look } = aPreflight(kedaVersion === undefined ? {} : { kedaVersion });
    cluster.hasWakingKeda = hasWakingKeda;
    expect(await look()).toEqual([]);
  });
});

describe("the rights", () => {
  it.each(RIGHTS)("are missed by name: $verb $resource", async (right) => {
    const { cluster, look } = aPreflight();
    cluster.takeRight(right);
    const findings = await look();
    expect(findings).toHaveLength(1);
    expect(findings[0]?.level).toBe(right.without === undefined ? "error" : "warning");
    expect(findings[0]?.text).toContain(`may not ${right.verb} ${right.resource}`);
    expect(findings[0]?.text).toContain("in namespace jobs");
  });

  it("are no error if the work goes on without them, and the finding says how", async () => {
    const { cluster, look } = aPreflight();
    cluster.takeRight({ verb: "get", resource: "namespaces" });
    expect(await look()).toEqual([
      {
        level: "warning",
        text: "the Dispatcher may not get namespaces in namespace jobs, which it needs to know the cluster by the namespace's uid: add that verb to its Role there (until then, another cluster is only noticed if ten Jobs or more are missing there)",
      },
    ]);
  });

  it("that are missing are not run into", async () => {
    const { cluster, look } = aPreflight();
    cluster.takeRight({ verb: "create", resource: "jobs" });
    cluster.takeRight({ verb: "list", resource: "jobs" });
    expect(await look()).toHaveLength(2);
    expect(cluster.trials).toEqual([]);
    expect(cluster.calls.get("count")).toBeUndefined();
  });
});

describe("bus and storage", () => {
  it("are asked for a source once, however many modules share it", async () => {
    const { broker, look } = aPreflight({ modules: [GOOD, withImage("other", "busybox")] });
    broker.failNext("verify");
    broker.failNext("verify");
    expect(await look()).toMatchObject([{ level: "error", module: "good", field: "source" }]);
  });

  it("are told in their own words where they refuse, each in a finding of its own, and a source by its module", async () => {
    const { broker, table, payloads, look } = aPreflight();
    broker.failNext("verify", new ConfigError('queue "q" does not exist'));
    table.failNext("lastTick", new UnavailableError("the rows", { cause: new Error("no connection") }));
    payloads.failNext("verify", new UnavailableError("the bodies"));
    expect(await look()).toEqual([
      { level: "error", text: "the rows: no connection" },
      { level: "error", text: "the bodies" },
      { level: "error", module: "good", file: "modules/good.yaml", field: "source", text: 'queue "q" does not exist' },
    ]);
  });

  it("are told also where the cluster can't be asked", async () => {
    const { cluster, table, look } = aPreflight();
    table.failNext("lastTick");
    cluster.failNext("mayI");
    expect(await look()).toHaveLength(2);
  });
});

describe("an outage", () => {
  it("is one finding", async () => {
    const { cluster, look } = aPreflight({ modules: [GOOD, BAD] });
    for (const _right of RIGHTS) cluster.failNext("mayI", new UnavailableError("nobody listens at https://c"));
    expect(await look()).toEqual([
      { level: "error", text: "not everything could be checked: nobody listens at https://c" },
    ]);
    expect(cluster.trials).toEqual([]);
  });

  it("in the midst of it costs nothing of what was found", async () => {
    const { cluster, look } = aPreflight({ modules: [BAD] });
    cluster.failNext("count");
    expect((await look()).map(({ field }) => field)).toEqual(["worker.image", undefined]);
  });

  it("is told from a bug, which is thrown", async () => {
    const { cluster, look } = aPreflight();
    cluster.failNext("count", new TypeError("undefined is not a function"));
    await expect(look()).rejects.toThrow(TypeError);
  });
});

describe("JOB_RETENTION", () => {
  /** Jobs that finished at once. */
  async function fill(cluster: FakeCluster, count: number) {
    for (let index = 0; index < count; index += 1) {
      const job = buildJob("dispatcher", "exit 0", {});
      await cluster.create(job);
      cluster.succeed(job.metadata?.name ?? "");
    }
  }

  it("is too long where the last hour's Jobs come to more than 5,000, and a length that is not is proposed", async () => {
    const { cluster, look } = aPreflight({ jobRetentionMs: 24 * HOUR_MS });
    await fill(cluster, 300);
    const findings = await look();
    expect(findings).toMatchObject([{ level: "warning", field: "JOB_RETENTION" }]);
    expect(findings[0]?.text).toContain(
      "300 finished Jobs in namespace jobs, and at the rate of the last 1h there will be 7200",
    );
    expect(findings[0]?.text).toContain("Lower JOB_RETENTION from 1d to 16h");
  });

  it("is right where they come to less", async () => {
    const { cluster, look } = aPreflight({ jobRetentionMs: 24 * HOUR_MS });
    await fill(cluster, 200);
    expect(await look()).toEqual([]);
  });

  it("is too long where more than 5,000 finished Jobs are there already, whatever the rate", async () => {
    const { cluster, clock, look } = aPreflight({ jobRetentionMs: 24 * HOUR_MS });
    await fill(cluster, 5_000);
    clock.advance(2 * HOUR_MS);
    expect(await look()).toEqual([]);
    await fill(cluster, 1);
    expect((await look())[0]?.text).toContain(
      "5001 finished Jobs in namespace jobs, and at the rate of the last 1h there will be 24",
    );
  });

  it("below an hour is judged by the Jobs of as long a time, for older ones may be gone", async () => {
    const { cluster, clock, look } = aPreflight({ jobRetentionMs: HOUR_MS / 6 });
    for (let index = 0; index < 5_001; index += 1) await cluster.create(buildJob("dispatcher", "exit 0", {}));
    clock.advance(HOUR_MS / 12);
    expect((await look())[0]?.text).toContain("at the rate of the last 10m there will be 5001");
    clock.advance(HOUR_MS / 6);
    expect(await look()).toEqual([]);
  });

  it("can't be lowered below its least, and the finding says what else helps", async () => {
    const { cluster, look } = aPreflight({ jobRetentionMs: 2 * 60_000 });
    await fill(cluster, 5_001);
    expect((await look())[0]?.text).toContain("spread the modules over several instances");
  });
});

describe("the log of a start", () => {
  function aLog() {
    const lines: { level: string; line: unknown }[] = [];
    const write = (level: string) => (line: string) => void lines.push({ level, line: JSON.parse(line) });
    return { lines, log: makeLog({ info: write("info"), warn: write("warn"), error: write("error") }) };
  }

  it("has a line for each finding, with its facts as fields", async () => {
    const { lines, log } = aLog();
    const findings = [
      { level: "error", module: "a", file: "modules/a.yaml", field: "worker.image", text: "refused" },
      { level: "warning", field: "JOB_RETENTION", text: "too long" },
    ] as const;
    await logPreflight(async () => [...findings], log);
    expect(lines).toEqual([
      {
        level: "error",
        line: {
          message: "preflight found an error",
          module: "a",
          file: "modules/a.yaml",
          field: "worker.image",
          problem: "refused",
        },
      },
      {
        level: "warn",
        line: { message: "preflight found something to look at", field: "JOB_RETENTION", problem: "too long" },
      },
    ]);
  });

  it("says that nothing was found", async () => {
    const { lines, log } = aLog();
    await logPreflight(async () => [], log);
    expect(lines).toEqual([{ level: "info", line: { message: "preflight found nothing wrong" } }]);
  });

  it("takes a bug without stopping anybody", async () => {
    const { lines, log } = aLog();
    await logPreflight(() => Promise.reject(new TypeError("a bug")), log);
    expect(lines).toMatchObject([{ level: "error", line: { message: "preflight broke off" } }]);
  });
});
