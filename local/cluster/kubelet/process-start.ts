import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** When a process started, in the system's own words. Empty if it is gone, or the system can't say. */
export function startOf(pid: number): string {
  if (process.platform === "win32") return "";
  if (process.platform !== "linux") {
    return spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).stdout.trim();
  }
  try {
    // The name in brackets may hold spaces. The start is the twentieth field after it.
    const [, fields = ""] = /\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
    return fields.split(" ")[19] ?? "";
  } catch {
    return "";
  }
}
