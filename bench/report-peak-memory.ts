// Has a process write the most memory that it ever held to stderr, as its last line. Node loads this before the program
// (`--import`).
import { readFileSync, writeSync } from "node:fs";

// The programs of local/ are started with source maps. A Functions worker has none, and the map of the whole bundle
// would need more memory than the app itself.
process.setSourceMapsEnabled(false);

process.once("exit", () => writeSync(2, `\npeak memory in KiB: ${peakKib()}\n`));

function peakKib(): number {
  if (process.platform !== "linux") return process.resourceUsage().maxRSS;
  // On Linux, maxRSS begins with what the parent process held.
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}
