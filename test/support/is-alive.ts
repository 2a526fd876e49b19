import { spawnSync } from "node:child_process";

/** Whether a process still runs. A zombie, which has ended but is not yet reaped, does not. */
export function isAlive(pid: number): boolean {
  const state = spawnSync("ps", ["-o", "stat=", "-p", String(pid)])
    .stdout.toString()
    .trim();
  return state !== "" && !state.startsWith("Z");
}
