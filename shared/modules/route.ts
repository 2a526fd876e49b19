import type { PeekedMessage } from "../run/message.ts";
import { type Source, sourceKey, sourceName } from "../run/source.ts";
import type { Module, When } from "./module.ts";

/**
 * Finds the module that takes a message of this source; undefined if none does. No message fits two, because the loader
 * refuses such modules.
 */
export function route(
  modules: Iterable<Module>,
  source: Source,
  message: Pick<PeekedMessage, "subject" | "properties">,
): Module | undefined {
  const key = sourceKey(source);
  for (const module of modules) if (sourceKey(module.source) === key && fits(module.when, message)) return module;
  return undefined;
}

/** Says why a message of this source is rejected if `route` finds no module for it. */
export function noModuleTakes(source: Source): string {
  return `no module takes this message: ${sourceName(source)} has none whose \`when\` fits its subject and properties`;
}

/**
 * Finds the module by which a run may start attempts. Undefined if it was removed, or takes its messages from another
 * source now.
 */
export function startableModule(
  modules: ReadonlyMap<string, Module>,
  run: { readonly module: string; readonly source: Source },
): Module | undefined {
  const module = modules.get(run.module);
  return module && sourceKey(module.source) === sourceKey(run.source) ? module : undefined;
}

/** Lists the sources of these modules, each once, because modules may share one. */
export function distinctSources(modules: Iterable<Module>): Source[] {
  const sources = new Map<string, Source>();
  for (const { source } of modules) if (!sources.has(sourceKey(source))) sources.set(sourceKey(source), source);
  return [...sources.values()];
}

/**
 * Whether some message may fit both. It can't if both name the same property, or the subject, with different values.
 */
export function mayFitBoth(a: When | undefined, b: When | undefined): boolean {
  if (a?.subject !== undefined && b?.subject !== undefined && a.subject !== b.subject) return false;
  const other = b?.properties ?? {};
  return Object.entries(a?.properties ?? {}).every(
    ([name, value]) => !Object.hasOwn(other, name) || other[name] === value,
  );
}

function fits(when: When | undefined, message: Pick<PeekedMessage, "subject" | "properties">): boolean {
  if (when?.subject !== undefined && when.subject !== message.subject) return false;
  return Object.entries(when?.properties ?? {}).every(([name, value]) => same(message.properties[name], value));
}

/** Whether a property has the wanted value. A 64-bit integer may arrive as a bigint. */
function same(actual: unknown, wanted: string | number | boolean): boolean {
  return (
    actual === wanted || (typeof actual === "bigint" && typeof wanted === "number" && actual === exactBigInt(wanted))
  );
}

function exactBigInt(number: number): bigint | undefined {
  return Number.isSafeInteger(number) ? BigInt(number) : undefined;
}
