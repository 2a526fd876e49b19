import { spawnSync } from "node:child_process";

/** Whether a process still runs. One that ended, and that nobody has asked about yet (a zombie), does not. */
export function isAlive(pid: number): boolean {
  const state = spawnSync("ps", ["-o", "stat=", "-p", String(pid)])
    .stdout.toString()
    .trim();
  return state !== "" && !state.startsWith("Z");
}
