import { z } from "zod";
import type { ModuleState } from "../../run/module-state.ts";
import { type Columns, count, decoded, lines, prose, text, time } from "./columns.ts";

/** The columns of a `module|` row. */
const MODULE = z.object({
  module: text,
  template: text,
  fault: text,
  failed: lines,
  since: time,
  detail: prose,
  trippedAt: z.exactOptional(time),
  probeAt: z.exactOptional(time),
  probes: count,
});

export function writeModuleState(state: ModuleState): Columns {
  return z.encode(MODULE, { ...state, failed: [...state.failed] });
}

/** Reads the columns of a `module|` row. Throws BadRowError if they are not a module's. */
export function readModuleState(columns: Columns): ModuleState {
  return decoded(MODULE, columns);
}
