// oxlint-disable typescript/no-unsafe-type-assertion -- What the server answers is what these tests are about.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { V1Container, V1Pod } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startCluster } from "../../local/cluster/start-cluster.ts";
import { clusterApi } from "../support/cluster-api.ts";
import { isAlive } from "../support/is-alive.ts";
import { aJob, JOBS, type LocalClusterUser, PID, PODS, sh, startLocalCluster } from "../support/local-cluster.ts";

let on: LocalClusterUser;
beforeAll(async () => {
  on = await startLocalCluster();
});
afterAll(() => on.close());

describe("what a process gets", () => {
  test("has its own variables and PATH, and nothing else", async () => {
    const said = await on.output(aJob({ containers: [sh("env", { env: [{ name: "MINE", value: "1" }] })] }));
    const names = said.split("\n").map((line) => line.split("=")[0]);
    // The shell itself sets the last three.
    const own = names.filter((name) => !["", "PWD", "SHLVL", "_"].includes(name ?? ""));
    expect(new Set(own)).toEqual(new Set(["MINE", "PATH"]));
  });

  test("finds $(NAME) expanded in variables and arguments, as a kubelet does it", async () => {
    const env = [
      { name: "A", value: "a" },
      { name: "B", value: "$(A)$(LATER)$$(A)$(" },
      { name: "LATER", value: "later" },
    ];
    const container = sh(`printf '%s\\n' "$B" "$@"`, {
      env,
      args: ["--", "$(B)", "$(LATER)", "$(UNKNOWN)", "$$(A)", "$A $"],
    });
    const lines = (await on.output(aJob({ containers: [container] }))).split("\n");
    expect(lines).toEqual(["a$(LATER)$(A)$(", "a$(LATER)$(A)$(", "later", "$(UNKNOWN)", "$(A)", "$A $", ""]);
  });

  test("finds annotations in downward API files, byte for byte", async () => {
    const body = 'line\n"quoted" $(A) $$ \\ é \u{1F600}';
    const job = aJob(
      {
        containers: [
          sh('cat "$FILE"', {
            env: [{ name: "FILE", value: "/message/in/body" }],
            volumeMounts: [{ name: "message", mountPath: "/message" }],
          }),
        ],
        volumes: [
          {
            name: "message",
            downwardAPI: { items: [{ path: "in/body", fieldRef: { fieldPath: "metadata.annotations['ion/body']" } }] },
          },
        ],
      },
      { annotations: { "ion/body": body } },
    );
    expect(await on.output(job)).toBe(body);
  });

  test("gets fields of its pod as variables, and never takes one for a path", async () => {
    const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
    const job = aJob(
      {
        containers: [
          sh('echo "$ID|$NAME|$JOB|$NONE"', {
            env: [
              field("ID", "metadata.annotations['id']"),
              field("NAME", "metadata.name"),
              field("JOB", "metadata.labels['job-name']"),
              field("NONE", "metadata.annotations['none']"),
            ],
            volumeMounts: [{ name: "tmp", mountPath: "/tmp" }],
          }),
        ],
        volumes: [{ name: "tmp", emptyDir: {} }],
      },
      { annotations: { id: "/tmp/$(NAME)" } },
    );
    const name = await on.create(job);
    const pod = await on.podIn(name, "Succeeded");
    expect(await on.logOf(pod)).toBe(`/tmp/$(NAME)|${pod.metadata?.name}|${name}|\n`);
  });

  test("finds what an earlier container left in a shared volume, by variable and by argument", async () => {
    const mount = { volumeMounts: [{ name: "shared", mountPath: "/ion" }], env: [{ name: "DIR", value: "/ion" }] };
    const job = aJob({
      initContainers: [
        sh('echo first > "$DIR/log"', { name: "first", ...mount }),
        sh('echo second >> "$DIR/log"', { name: "second", ...mount }),
      ],
      containers: [sh('cat "$0"', { ...mount, args: ["/ion/log"] })],
      volumes: [{ name: "shared", emptyDir: {} }],
    });
    expect(await on.output(job)).toBe("first\nsecond\n");
  });

  test("starts in a directory of its own, or in the one asked for", async () => {
    const pwd = await on.output(aJob({ containers: [sh("pwd; ls")] }));
    expect(pwd).toMatch(/\/containers\/main\n$/);
    expect(await on.output(aJob({ containers: [sh("pwd", { workingDir: "/usr" })] }))).toBe("/usr\n");
  });
});

describe("how a pod runs", () => {
  test("runs nothing after an init container that failed", async () => {
    const name = await on.create(
      aJob({ initContainers: [sh("exit 7", { name: "prepare" })], containers: [sh("echo ran")] }),
    );
    const pod = await on.podIn(name, "Failed");
    expect(pod.status?.initContainerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 7, reason: "Error" });
    expect(pod.status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe("PodInitializing");
    expect((await on.api.ask("GET", `${PODS}/${pod.metadata?.name}/log?container=main`)).code).toBe(400);
  });

  test("keeps a sidecar beside the work, and ends it with the work, whatever it exits with", async () => {
    const mount = { volumeMounts: [{ name: "s", mountPath: "/s" }], env: [{ name: "S", value: "/s" }] };
    const sidecar = sh("trap 'echo bye; exit 9' TERM; touch \"$S/up\"; while :; do sleep 0.05; done", {
      name: "side",
      restartPolicy: "Always",
      ...mount,
    });
    const work = sh('until [ -e "$S/up" ]; do sleep 0.02; done; echo saw it', mount);
    const name = await on.create(
      aJob({ initContainers: [sidecar], containers: [work], volumes: [{ name: "s", emptyDir: {} }] }),
    );
    const pod = await on.podIn(name, "Succeeded");
    expect(await on.logOf(pod)).toBe("saw it\n");
    expect(await on.logOf(pod, "side")).toBe("bye\n");
  });

  test("ends what a container leaves running", async () => {
    const said = await on.output(aJob({ containers: [sh("sleep 300 & echo $!")] }));
    await vi.waitFor(() => expect(isAlive(Number(said))).toBe(false));
  });

  test("kills what doesn't heed SIGTERM, after the grace period", async () => {
    const command = `trap '' TERM; echo ${PID}; while :; do sleep 0.05; done`;
    const name = await on.create(aJob({ containers: [sh(command)], activeDeadlineSeconds: 1 }));
    const pod = await on.podIn(name, "Failed");
    expect(pod.status).toMatchObject({ reason: "DeadlineExceeded" });
    expect(pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(137);
    expect(isAlive(Number(await on.logOf(pod)))).toBe(false);
  });

  test.each([
    { what: "a signal as 128 and its number", command: `kill -9 ${PID}`, exitCode: 137, reason: "Error" },
    { what: "success", command: "exit 0", exitCode: 0, reason: "Completed" },
  ])("tells $what", async ({ command, exitCode, reason }) => {
    const name = await on.create(aJob({ containers: [sh(command)] }));
    const pod = await on.podIn(name, exitCode === 0 ? "Succeeded" : "Failed");
    expect(pod.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode, reason });
  });

  test("takes the termination message from its file, else the end of the log where that is asked for", async () => {
    const mount = { volumeMounts: [{ name: "s", mountPath: "/s" }], env: [{ name: "S", value: "/s" }] };
    const message = async (container: V1Container): Promise<string | undefined> => {
      const pod = await on.podIn(
        await on.create(aJob({ containers: [container], volumes: [{ name: "s", emptyDir: {} }] })),
        "Failed",
      );
      return pod.status?.containerStatuses?.[0]?.state?.terminated?.message;
    };
    const said = sh('echo said > "$S/why"; echo logged; exit 1', { ...mount, terminationMessagePath: "/s/why" });
    expect(await message(said)).toBe("said\n");
    expect(
      await message(sh("echo logged; exit 1", { ...mount, terminationMessagePolicy: "FallbackToLogsOnError" })),
    ).toBe("logged\n");
    expect(await message(sh("echo logged; exit 1", mount))).toBeUndefined();
  });

  test.each([
    { reason: "ErrImagePull", container: { name: "main", image: "ghcr.io/acme/app:1" }, says: /--kubeconfig/ },
    {
      reason: "InvalidImageName",
      container: sh("exit 0", { image: "UPPER/bad::name" }),
      says: /invalid reference format/,
    },
    {
      reason: "CreateContainerConfigError",
      container: sh("exit 0", { env: [{ name: "S", valueFrom: { secretKeyRef: { name: "gone", key: "k" } } }] }),
      says: /secret "gone" not found/,
    },
  ])("leaves a container that can't start waiting: $reason", async ({ reason, container, says }) => {
    const name = await on.create(aJob({ containers: [container] }));
    await vi.waitFor(async () => {
      const waiting = (await on.podOf(name))?.status?.containerStatuses?.[0]?.state?.waiting;
      expect(waiting?.reason).toBe(reason);
      expect(waiting?.message).toMatch(says);
    });
    const job = await on.batch.readNamespacedJob({ name, namespace: "jobs" });
    expect(job.status).toMatchObject({ active: 1, ready: 0 });
  });

  test.each([
    { program: "no-such-program", says: 'exec: "no-such-program": executable file not found in $PATH' },
    { program: "/no/such", says: 'exec: "/no/such": stat /no/such: no such file or directory' },
  ])("fails a command that isn't there as a container runtime does: $program", async ({ program, says }) => {
    const pod = await on.podIn(await on.create(aJob({ containers: [sh("", { command: [program] })] })), "Failed");
    const ended = pod.status?.containerStatuses?.[0]?.state?.terminated;
    expect(ended).toMatchObject({ exitCode: 128, reason: "StartError", startedAt: new Date(0) });
    expect(ended?.message).toContain(says);
  });

  test("says of a container that never ran before its pod was over that it can't be located, as a kubelet does", async () => {
    const container = sh("exit 0", { image: "registry.invalid/missing:1" });
    const pod = await on.podIn(await on.create(aJob({ containers: [container], activeDeadlineSeconds: 1 })), "Failed");
    const ended = pod.status?.containerStatuses?.[0]?.state?.terminated;
    expect(ended).toMatchObject({ exitCode: 137, reason: "ContainerStatusUnknown" });
    expect(ended?.startedAt).toBeUndefined();
    expect((await on.api.ask("GET", `${PODS}/${pod.metadata?.name}/log?container=main`)).code).toBe(400);
  });
});

test("leaves no process behind when it closes", async () => {
  const own = mkdtempSync(join(tmpdir(), "dispatcher-cluster-"));
  const cluster = await startCluster({ directory: own, namespace: "jobs" });
  const ownApi = clusterApi(cluster);
  const stubborn = aJob({
    containers: [sh(`sleep 300 & echo $!; trap '' TERM; echo ${PID}; while :; do sleep 0.05; done`)],
  });
  await ownApi.ask("POST", JOBS, { body: stubborn });
  const pids = await vi.waitFor(async () => {
    const [pod] = (await ownApi.ask("GET", PODS)).json["items"] as V1Pod[];
    const said = (await ownApi.ask("GET", `${PODS}/${pod?.metadata?.name}/log`)).text;
    expect(said).toMatch(/^\d+\n\d+\n$/);
    return said.trim().split("\n").map(Number);
  });
  expect(pids.map(isAlive)).toEqual([true, true]);
  ownApi.close();
  await cluster.close();
  expect(pids.map(isAlive)).toEqual([false, false]);
  rmSync(own, { recursive: true, force: true });
});
