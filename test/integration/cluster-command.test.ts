import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { runProgram } from "../support/run-program.ts";

// These tests check what `npm run cluster` says if it can't start a cluster, and that it leaves nothing behind then.

const NOBODY = 65_534;
/** A directory with the programs that the command finds, which are only a shell, and with its cache. */
let machine: string;
beforeEach(async () => {
  machine = await mkdtemp(join(tmpdir(), "dispatcher-machine-"));
  await mkdir(join(machine, "bin"));
  await symlink("/bin/sh", join(machine, "bin", "sh"));
  // Other users may write to it, too.
  await chmod(machine, 0o777);
  return () => rm(machine, { recursive: true, force: true });
});

async function cluster(args: readonly string[], over: { env?: Readonly<Record<string, string>>; uid?: number } = {}) {
  const env = { PATH: join(machine, "bin"), HOME: machine, ...over.env };
  const { said, ended } = runProgram("real-cluster", { ...over, args, env });
  return { code: await ended, ...said, left: await readdir(machine) };
}

async function install(program: string, script: string): Promise<void> {
  await writeFile(join(machine, "bin", program), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

test("names both at once, and how to get them, on a machine without Go and Debian's packages", async () => {
  const { code, stdout, stderr, left } = await cluster(["up"]);
  expect(code).toBe(1);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^cluster: A cluster can't be started on this machine\.$/m);
  expect(stderr).toMatch(
    /^ {2}It needs Go 1\.\d+ or later to build etcd\. Install it from https:\/\/go\.dev\/doc\/install, or set /m,
  );
  expect(stderr).toMatch(
    /^ {2}It needs Debian packages\. Install them with: apt-get install -y busybox-static (containernetworking-plugins )?iproute2 mount runc util-linux$/m,
  );
  expect(left).toEqual(["bin"]);
});

test("names a Go that is too old", async () => {
  await install("go", "echo go1.19.8");
  const { code, stderr, left } = await cluster(["build"]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^ {2}It needs Go 1\.\d+ or later to build etcd, but go1\.19\.8 is installed\. Install /m);
  expect(left).toEqual(["bin"]);
});

test("tells a user who isn't root", async () => {
  const { code, stderr, left } = await cluster(["up"], process.getuid?.() === 0 ? { uid: NOBODY } : {});
  expect(code).toBe(1);
  expect(stderr).toMatch(/^ {2}It needs root, for containers and their network\. Run it with sudo\.$/m);
  expect(left).toEqual(["bin"]);
});

test("assets that lack a program are refused before anything is built", async () => {
  for (const program of ["etcd", "kubectl"]) await install(program, "exit 0");
  const assets = join(machine, "bin");
  const { code, stderr, left } = await cluster(["up"], { env: { KUBEBUILDER_ASSETS: assets } });
  expect(code).toBe(1);
  expect(stderr).toBe(
    `cluster: KUBEBUILDER_ASSETS is ${assets}, which has no kube-apiserver. Put etcd, kube-apiserver, kubectl there, or unset it to have them built.\n`,
  );
  expect(left).toEqual(["bin"]);
});

test("if there is no cluster, status says so with 1, and down has nothing to do", async () => {
  expect(await cluster(["status"])).toMatchObject({
    code: 1,
    stderr: "cluster: there is no cluster on this machine. Start one with: npm run cluster -- up\n",
  });
  const { code, stderr, left } = await cluster(["down", "--name", "some"]);
  expect([code, stderr]).toEqual([0, "cluster: there is no cluster some, so there is nothing to end\n"]);
  expect(left).toEqual(["bin"]);
});

test.each([
  { name: "no verb", args: [], says: "Usage: npm run cluster -- " },
  { name: "a verb too many", args: ["up", "down"], says: "too many arguments for 'up'" },
  { name: "a verb that is none", args: ["restart"], says: "unknown command 'restart'" },
  {
    name: "a name that is no network interface's",
    args: ["up", "--name", "../x"],
    says: "argument '../x' is invalid. A name has up to 31",
  },
])("is not run with $name", async ({ args, says }) => {
  const { code, stderr, left } = await cluster(args);
  expect(code).toBe(2);
  expect(stderr).toContain(says);
  expect(stderr).toContain("--help");
  expect(left).toEqual(["bin"]);
});
