import { createHash } from "node:crypto";
import type { Module } from "../modules/module.ts";
import type { GateScope } from "../run/gate-state.ts";
import { sourceKey } from "../run/source.ts";

/**
 * Names what the module files say about the messages of a gate by 16 hex digits: the source, `when` and `schema` of a
 * module, or every `when` of a source. Other files have another name.
 */
export function filesOf(scope: GateScope, modules: Iterable<Module>): string {
  const facts = [...modules].flatMap(({ name, source, when, schema }) => {
    if ("module" in scope) return name === scope.module ? [{ source: sourceKey(source), when, schema }] : [];
    return sourceKey(source) === sourceKey(scope.source) ? [{ when }] : [];
  });
  const sorted = facts.map((fact) => JSON.stringify(fact)).toSorted();
  return createHash("sha256").update(sorted.join("\n")).digest("hex").slice(0, 16);
}
