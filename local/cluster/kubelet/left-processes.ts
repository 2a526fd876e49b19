import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startOf } from "./process-start.ts";

/** The file of a pod that lists its processes: for each its id and when it started. */
const FILE = "processes";

/** Writes down a process of a pod, so that a stand-in that starts after a kill -9 finds it. */
export function noteProcess(podDirectory: string, pid: number): void {
  appendFileSync(join(podDirectory, FILE), `${pid} ${startOf(pid)}\n`);
}

/**
 * Kills what still runs of the pods in this directory, with all that it started. A process whose id now belongs to
 * another program, which started at another time, is left alone.
 */
export function killLeftProcesses(podsDirectory: string): void {
  if (!existsSync(podsDirectory)) return;
  for (const pod of readdirSync(podsDirectory)) {
    const file = join(podsDirectory, pod, FILE);
    const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
    for (const line of lines) {
      const [pid = "", ...start] = line.split(" ");
      if (start.join(" ") === "" || startOf(Number(pid)) !== start.join(" ")) continue;
      try {
        process.kill(-Number(pid), "SIGKILL");
      } catch {
        // It ended just now.
      }
    }
  }
}
