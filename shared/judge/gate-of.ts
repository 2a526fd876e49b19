import type { Module } from "../modules/module.ts";
import { startableModule } from "../modules/route.ts";
import type { GateScope } from "../run/gate-state.ts";
import type { Run } from "../run/run.ts";

/**
 * Names the gate that a held run stands at: its module's, or its source's if no module took its message. Undefined if
 * its module is gone by now, or takes its messages from elsewhere. Then only judging the message tells whose gate it
 * meets.
 */
export function gateOf(modules: ReadonlyMap<string, Module>, run: Run): GateScope | undefined {
  if (run.module === "") return { source: run.source };
  return startableModule(modules, run) && { module: run.module };
}
