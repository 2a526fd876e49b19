import type { Dependencies } from "../dependencies.ts";
import type { Events } from "../telemetry/events.ts";
import type { Admission } from "./admission.ts";

/**
 * Makes what tells of the modules of which nothing more starts, because too many of their runs wait to be settled: once
 * when that begins, and once when it is over. A replica that takes over the ticks tells it once more.
 */
export function makeTellBackedUp(
  { modules }: Pick<Dependencies, "modules">,
  admission: Pick<Admission, "isBackedUp">,
): (events: Events) => void {
  const told = new Set<string>();
  return (events) => {
    for (const module of modules.values()) {
      const { name } = module;
      const isBackedUp = admission.isBackedUp(module);
      if (isBackedUp === told.has(name)) continue;
      events.tell({ event: isBackedUp ? "module backed up" : "module caught up", module: name });
      if (isBackedUp) told.add(name);
      else told.delete(name);
    }
  };
}
