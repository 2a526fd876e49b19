import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { makeClusterState } from "../../local/cluster/store/cluster-state.ts";
import { keepObjects, readObjects } from "../../local/cluster/store/object-log.ts";
import { makeKubernetesJobs } from "../../shared/adapters/kubernetes/jobs.ts";
import { judgeEnd } from "../../shared/jobs/judge-end.ts";
import { buildJob } from "../contract/job-harness.ts";
import { isAlive } from "../support/is-alive.ts";
import { aJob, JOBS, type LocalClusterUser, PODS, sh, startLocalCluster } from "../support/local-cluster.ts";
import { ROOT } from "../support/run-program.ts";

let directory: string;
let cluster: LocalClusterUser | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "cluster-memory-"));
});
afterEach(async () => {
  await cluster?.close();
  cluster = undefined;
  await rm(directory, { recursive: true, force: true });
});

/** Starts the cluster of this directory, after it was closed if it ran. */
async function start(): Promise<LocalClusterUser> {
  await cluster?.close();
  cluster = await startLocalCluster({ directory, remember: true });
  return cluster;
}

const disruptable = {
  podFailurePolicy: {
    rules: [{ action: "FailJob", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] }],
  },
};

async function uidOf({ core }: LocalClusterUser): Promise<string | undefined> {
  return (await core.readNamespace({ name: "jobs" })).metadata?.uid;
}

describe("a cluster that remembers, started again, has", () => {
  test("its uid, its finished Jobs with pods and logs, its Secrets, and newer versions than before", async () => {
    const first = await start();
    const name = await first.create(aJob({ containers: [sh("echo done")] }));
    const pod = await first.podIn(name, "Succeeded");
    await first.core.createNamespacedSecret({
      namespace: "jobs",
      body: { metadata: { name: "s" }, data: { a: "Yg==" } },
    });
    const uid = await uidOf(first);
    const job = await vi.waitFor(async () => {
      const found = await first.batch.readNamespacedJob({ namespace: "jobs", name });
      expect(found.status?.conditions?.map(({ type }) => type)).toContain("Complete");
      return found;
    });

    const again = await start();
    expect(await uidOf(again)).toBe(uid);
    const found = await again.batch.readNamespacedJob({ namespace: "jobs", name });
    expect({ uid: found.metadata?.uid, status: found.status }).toEqual({ uid: job.metadata?.uid, status: job.status });
    expect((await again.podOf(name))?.status?.phase).toBe("Succeeded");
    expect(await again.logOf(pod)).toBe("done\n");
    expect((await again.core.readNamespacedSecret({ namespace: "jobs", name: "s" })).data).toEqual({ a: "Yg==" });
    expect(Number(found.metadata?.resourceVersion)).toBeGreaterThan(0);
    // The name stays taken.
    await expect(again.create(aJob({}, { name }))).rejects.toMatchObject({ code: 409 });
  });

  test("Jobs that were at work as interrupted, and starts none of them again", async () => {
    const first = await start();
    const runs = join(directory, "runs");
    const name = await first.create(aJob({ containers: [sh(`echo x >> '${runs}'; sleep 60`)] }, { spec: disruptable }));
    await first.podIn(name, "Running");
    await vi.waitFor(() => expect(existsSync(runs)).toBe(true));

    const again = await start();
    const job = await vi.waitFor(async () => {
      const found = await again.batch.readNamespacedJob({ namespace: "jobs", name });
      expect(found.status?.conditions?.map(({ type }) => type)).toContain("Failed");
      return found;
    });
    const pod = await again.podOf(name);
    expect(judgeEnd(job, pod ? [pod] : [])).toMatchObject({ kind: "interruption" });
    expect(readFileSync(runs, "utf8")).toBe("x\n");
  });

  test("no Job and no log of one that was deleted", async () => {
    const first = await start();
    const name = await first.create(aJob({}));
    const pod = await first.podIn(name, "Succeeded");
    await first.api.ask("DELETE", `${JOBS}/${name}`, { body: { propagationPolicy: "Background" } });
    await vi.waitFor(async () => expect(await first.podOf(name)).toBeUndefined());
    const again = await start();
    expect((await again.api.ask("GET", `${JOBS}/${name}`)).code).toBe(404);
    expect((await again.api.ask("GET", `${PODS}/${pod.metadata?.name}`)).code).toBe(404);
    expect(existsSync(join(directory, "pods", pod.metadata?.uid ?? ""))).toBe(false);
  });
});

test("the log is written anew when it has become long, and holds what is there", async () => {
  const file = join(directory, "objects");
  const state = makeClusterState(["jobs"]);
  const end = keepObjects(file, "u", state, 5_000);
  const metadata = { namespace: "jobs", uid: "1", resourceVersion: "", creationTimestamp: "" };
  const [kept, gone] = ["kept", "gone"].map((name) => state.secrets.insert({ metadata: { ...metadata, name } }));
  if (!kept || !gone) throw new Error("two Secrets should be there");
  for (let turn = 0; turn < 200; turn += 1) state.secrets.replace({ ...kept, data: { turn: String(turn) } });
  state.secrets.remove(gone);
  end();
  expect(readFileSync(file).byteLength).toBeLessThan(8_000);
  expect(readObjects(file)).toMatchObject({
    uid: "u",
    secrets: [{ metadata: { name: "kept" }, data: { turn: "199" } }],
  });
});

test("a torn last line is dropped, and a damaged one before others is refused with the file's name", async () => {
  const first = await start();
  await first.create(aJob({}));
  await first.close();
  cluster = undefined;
  const file = join(directory, "objects");
  const whole = readFileSync(file, "utf8");
  appendFileSync(file, whole.slice(0, whole.length / 2).split("\n")[1] ?? "");
  const again = await start();
  await again.close();
  cluster = undefined;
  writeFileSync(file, `{"put\n${whole}`);
  await expect(start()).rejects.toThrow(`${file}: line 1 is damaged. Forget what is kept by starting with --fresh`);
});

test("kill -9 of the program ends what its Jobs run at the next start, and loses no Job", {
  timeout: 40_000,
}, async () => {
  const program = join(ROOT, "dist", "local", "cluster", "main.js");
  const args = ["--directory", directory, "--namespace", "jobs", "--remember"];
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const { kubeconfig } = JSON.parse(String(line));
  const jobs = makeKubernetesJobs({ kubeconfig, namespace: "jobs", instance: "one" });
  const job = buildJob("one", "echo $$$$; while :; do sleep 0.05; done", {});
  const name = job.metadata?.name ?? "";
  await jobs.create(job);
  const pid = await vi.waitFor(
    async () => {
      const [pod] = await jobs.pods(name);
      const log = await jobs.log(pod?.metadata?.name ?? "", "main", 100);
      expect(log?.byteLength).toBeGreaterThan(0);
      return Number(Buffer.from(log ?? []).toString());
    },
    { timeout: 10_000 },
  );
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(isAlive(pid)).toBe(true);

  const again = await start();
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false));
  await vi.waitFor(async () => {
    const found = await again.batch.readNamespacedJob({ namespace: "jobs", name });
    const pod = await again.podOf(name);
    expect(judgeEnd(found, pod ? [pod] : [])).toMatchObject({ kind: "interruption" });
  });
});
