import type { PeekedMessage } from "../run/message.ts";
import { type Source, sourceKey, sourceName } from "../run/source.ts";
import type { Module, When } from "./module.ts";

/** The module that a message of this source is for; undefined where none takes it. No message fits two: the loader sees to it. */
export function route(
  modules: Iterable<Module>,
  source: Source,
  message: Pick<PeekedMessage, "subject" | "properties">,
): Module | undefined {
  const key = sourceKey(source);
  for (const module of modules) if (sourceKey(module.source) === key && fits(module.when, message)) return module;
  return undefined;
}

/** Why a message of this source is rejected if `route` finds no module for it. */
export function noModuleTakes(source: Source): string {
  return `no module takes this message: ${sourceName(source)} has none whose \`when\` fits its subject and properties`;
}

/** The module by which a run may start attempts; undefined where its module was removed, or takes its messages from another source now. */
export function startableModule(
  modules: ReadonlyMap<string, Module>,
  run: { readonly module: string; readonly source: Source },
): Module | undefined {
  const module = modules.get(run.module);
  return module && sourceKey(module.source) === sourceKey(run.source) ? module : undefined;
}

/** The sources of these modules, each once: modules may share one. */
export function distinctSources(modules: Iterable<Module>): Source[] {
  const sources = new Map<string, Source>();
  for (const { source } of modules) if (!sources.has(sourceKey(source))) sources.set(sourceKey(source), source);
  return [...sources.values()];
}

/** Whether there may be a message that fits both: unless some subject or property has to be one value here and another there. */
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

/** A 64-bit integer of the sender's may arrive as a bigint. */
function same(actual: unknown, wanted: string | number | boolean): boolean {
  return (
    actual === wanted || (typeof actual === "bigint" && typeof wanted === "number" && actual === exactBigInt(wanted))
  );
}

function exactBigInt(number: number): bigint | undefined {
  return Number.isSafeInteger(number) ? BigInt(number) : undefined;
}
