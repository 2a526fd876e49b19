import { isDeepStrictEqual } from "node:util";
import type { Dependencies } from "../dependencies.ts";
import { isPause, type ModuleLimit } from "../run/module-limit.ts";
import type { Events } from "../telemetry/events.ts";
import type { Limits } from "./limits.ts";

/**
 * Makes what tells of the modules that a person paused or limited: once when that begins or changes, and once when it
 * is over. A replica that takes over the ticks tells it once more.
 */
export function makeTellLimits(
  { modules }: Pick<Dependencies, "modules">,
  limits: Pick<Limits, "limitOf">,
): (events: Events) => void {
  const told = new Map<string, ModuleLimit>();
  return (events) => {
    for (const module of modules.values()) {
      const { name } = module;
      const limit = limits.limitOf(module);
      if (isDeepStrictEqual(limit, told.get(name))) continue;
      if (limit) {
        told.set(name, limit);
        events.tell({ event: isPause(limit) ? "module paused" : "module limited", limit });
      } else {
        told.delete(name);
        events.tell({ event: "module resumed", module: name });
      }
    }
  };
}
