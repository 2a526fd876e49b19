import type { Dependencies } from "../../dependencies.ts";
import type { Module } from "../../modules/module.ts";
import { isInForce, type ModuleLimit } from "../../run/module-limit.ts";

/** A module as its file has it, and what a person said of it. */
export interface ModuleShown extends Module {
  /** Undefined if no limit is in force. */
  readonly limit?: ModuleLimit;
}

/** Lists the modules in the order of their files. Costs one request to the table. */
export async function listModules({
  instanceTable,
  modules,
  clock,
}: Pick<Dependencies, "modules" | "clock"> & {
  readonly instanceTable: Pick<Dependencies["instanceTable"], "limits">;
}): Promise<ModuleShown[]> {
  const limits = await instanceTable.limits();
  return [...modules.values()].map((module) => {
    const limit = limits.find((stored) => stored.limit.module === module.name)?.limit;
    return isInForce(limit, clock.now()) ? { ...module, limit } : module;
  });
}
