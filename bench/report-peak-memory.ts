// Loaded into a process before its own code (`--import`): the last line that it writes to stderr is the most memory that it ever held.
import { readFileSync, writeSync } from "node:fs";

// The programs of local/ are started with source maps, as is good while developing. A Functions worker has none, and the map of the whole
// bundle would weigh more than the app itself.
process.setSourceMapsEnabled(false);

process.once("exit", () => writeSync(2, `\npeak memory in KiB: ${peakKib()}\n`));

function peakKib(): number {
  if (process.platform !== "linux") return process.resourceUsage().maxRSS;
  // There, maxRSS starts with what the process that made this one held.
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}
