import { existsSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorText } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";

/** The chart's preStop hook makes this file. Nothing else tells a function of the Functions host that the host stops. */
export const STOP_FILE = join(tmpdir(), "dispatcher-stopping");
const LOOK_EVERY_MS = 250;

/**
 * Calls `stop` once this process is about to end: by a signal, as in the standalone image, or by `file`, if one is given.
 * Without it, the host would wait for what could end at once. A signal that nothing else listens to ends the process as
 * ever.
 */
export function whenToldToStop(stop: () => void, log: Log, file?: string): void {
  if (file !== undefined && isRemoved(file, log)) lookFor(file, stop);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      stop();
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
  }
  // The host ends itself, too, if the program is gone that started it.
  process.once("disconnect", stop);
}

/** Removes the file of the container before this one, if this one was restarted in its pod. */
function isRemoved(file: string, log: Log): boolean {
  try {
    rmSync(file, { force: true });
    return true;
  } catch (error) {
    log.warn("the file that tells of the host's end could not be removed, and is not looked for", {
      why: errorText(error),
    });
    return false;
  }
}

function lookFor(file: string, stop: () => void): void {
  const timer = setInterval(() => {
    if (!existsSync(file)) return;
    clearInterval(timer);
    stop();
  }, LOOK_EVERY_MS).unref();
}
