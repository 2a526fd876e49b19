import { z } from "zod";
import type { GateScope, GateState } from "../../run/gate-state.ts";
import { sourceIn } from "../../run/source.ts";
import { BadRowError, type Columns, decoded, lines, prose, text, time } from "./columns.ts";

/** The columns of a `gate|` row, beside those that name its module or its source. */
const GATE = z.object({
  files: text,
  status: z.enum(["counting", "shut", "open"]),
  rejected: lines,
  problem: prose,
  since: time,
  openFor: z.exactOptional(text),
});

export function writeGateState({ scope, ...state }: GateState): Columns {
  const names = "module" in scope ? scope : scope.source;
  return { ...z.encode(GATE, { ...state, rejected: [...state.rejected] }), ...names };
}

/** Reads the columns of a `gate|` row. Throws BadRowError if they are not a gate's. */
export function readGateState(columns: Columns): GateState {
  return { scope: scopeIn(columns), ...decoded(GATE, columns) };
}

function scopeIn(columns: Columns): GateScope {
  if (typeof columns.module === "string") return { module: columns.module };
  const source = sourceIn(columns);
  if (source !== undefined) return { source };
  throw new BadRowError("its columns name neither a module, nor a queue, nor a topic and subscription");
}
