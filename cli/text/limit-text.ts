import { isPause, type ModuleLimit } from "../../shared/run/module-limit.ts";
import { timeText } from "./times.ts";

/** Says what a person said of a module's slots, until when and why. */
export function limitText(limit: ModuleLimit): string {
  const what = isPause(limit) ? "paused" : `limited to ${limit.slots}`;
  const until = limit.until === undefined ? "" : ` until ${timeText(limit.until)}`;
  return `${what} by ${limit.who}${until}${limit.why === undefined ? "" : ` (${limit.why})`}`;
}
