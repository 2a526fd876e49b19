import type { Dependencies } from "../../dependencies.ts";
import type { Module } from "../../modules/module.ts";
import { isInForce, type ModuleLimit } from "../../run/module-limit.ts";

/** A module as its file has it, and what a person said of it. */
export interface ModuleShown extends Module {
  /** Undefined if no limit is in force. */
  readonly limit?: ModuleLimit;
  /** Whether the replica that ticked last has read another form of its file. Undefined if that is not known. */
  readonly isOtherForm?: boolean;
}

/** Lists the modules in the order of their files. Costs two requests to the table. */
export async function listModules({
  instanceTable,
  modules,
  clock,
}: Pick<Dependencies, "modules" | "clock"> & {
  readonly instanceTable: Pick<Dependencies["instanceTable"], "limits" | "lastTick">;
}): Promise<ModuleShown[]> {
  const [limits, tick] = await Promise.all([instanceTable.limits(), instanceTable.lastTick()]);
  const files = tick?.counts?.files;
  return [...modules.values()].map((module) => {
    const limit = limits.find((stored) => stored.limit.module === module.name)?.limit;
    return {
      ...module,
      ...(isInForce(limit, clock.now()) ? { limit } : {}),
      ...(files === undefined ? {} : { isOtherForm: files[module.name] !== module.fileDigest }),
    };
  });
}
