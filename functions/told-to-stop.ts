import { existsSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The chart's preStop hook makes this file. Nothing else tells a function of the Functions host that the host stops. */
export const STOP_FILE = join(tmpdir(), "dispatcher-stopping");
const LOOK_EVERY_MS = 250;

/**
 * Calls `stop` once this process is about to end: by a signal, as in the standalone image, or by the file. Without it, the
 * host would wait for what could end at once. A signal that nothing else listens to ends the process as ever.
 */
export function whenToldToStop(stop: () => void, file = STOP_FILE): void {
  // A container that is restarted in its pod finds the file of the one before.
  rmSync(file, { force: true });
  const timer = setInterval(() => {
    if (!existsSync(file)) return;
    clearInterval(timer);
    stop();
  }, LOOK_EVERY_MS).unref();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      stop();
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
  }
  // The host ends itself, too, if the program is gone that started it.
  process.once("disconnect", stop);
}
