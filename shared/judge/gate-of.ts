import type { Module } from "../modules/module.ts";
import { startableModule } from "../modules/route.ts";
import type { GateScope } from "../run/gate-state.ts";
import type { Run } from "../run/run.ts";

/** Names the gate that a held run stands at. Its module may be gone by now, or take its messages from elsewhere. */
export function gateOf(modules: ReadonlyMap<string, Module>, run: Run): GateScope {
  return startableModule(modules, run) ? { module: run.module } : { source: run.source };
}
