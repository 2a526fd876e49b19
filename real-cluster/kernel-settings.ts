import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The settings that a kubelet and the bridge plugin change for the whole machine, without asking. */
const NAMES = [
  "vm/overcommit_memory",
  "vm/panic_on_oom",
  "kernel/panic",
  "kernel/panic_on_oops",
  "kernel/keys/root_maxkeys",
  "kernel/keys/root_maxbytes",
  "net/ipv4/ip_forward",
];

/** Reads the settings as they are now. */
export async function readKernelSettings(): Promise<Record<string, string>> {
  const pairs = await Promise.all(NAMES.map(async (name) => [name, (await readSetting(name)) ?? ""] as const));
  return Object.fromEntries(pairs.filter(([, value]) => value !== ""));
}

/** Puts the settings back. Skips one that can't be written. */
export async function restoreKernelSettings(settings: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, value] of Object.entries(settings)) {
    if ((await readSetting(name)) !== value) await writeFile(join("/proc/sys", name), value).catch(() => {});
  }
}

async function readSetting(name: string): Promise<string | undefined> {
  const text = await readFile(join("/proc/sys", name), "utf8").catch(() => undefined);
  return text?.trim();
}
