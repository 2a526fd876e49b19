import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { STOP_FILE, whenToldToStop } from "../../../functions/told-to-stop.ts";
import { makeLog } from "../../../shared/log.ts";

const warn = vi.fn<(line: string) => void>();
const log = makeLog({ info: warn, warn, error: warn });

async function freshFile(): Promise<string> {
  return join(await mkdtemp(join(tmpdir(), "dispatcher-stop-")), "stopping");
}

it("stops once the preStop hook made its file, and not for the file of an earlier container", async () => {
  const file = await freshFile();
  await writeFile(file, "");
  const stop = vi.fn<() => void>();
  whenToldToStop(stop, log, file);
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(stop).not.toHaveBeenCalled();
  await writeFile(file, "");
  await vi.waitFor(() => expect(stop).toHaveBeenCalledTimes(1), 2_000);
});

it("warns of what it can't remove in the file's place, and does not stop for it", async () => {
  const file = await freshFile();
  await mkdir(file);
  const stop = vi.fn<() => void>();
  whenToldToStop(stop, log, file);
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(stop).not.toHaveBeenCalled();
  expect(warn).toHaveBeenCalledWith(expect.stringContaining("could not be removed"));
});

it("stops by a signal that the host hears too, which goes on to end the process itself", async () => {
  const stop = vi.fn<() => void>();
  const host = vi.fn<() => void>();
  process.on("SIGTERM", host);
  whenToldToStop(stop, log);
  process.emit("SIGTERM");
  expect(stop).toHaveBeenCalledTimes(1);
  expect(host).toHaveBeenCalledTimes(1);
  process.removeListener("SIGTERM", host);
});

it("looks for the file that the chart makes", async () => {
  const chart = await readFile("keda/templates/deployment.yaml", "utf8");
  expect(chart).toContain("command: [touch, /tmp/dispatcher-stopping]");
  expect(STOP_FILE).toBe(join(tmpdir(), "dispatcher-stopping"));
});
