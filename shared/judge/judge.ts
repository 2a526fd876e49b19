import { checkBody, UNREADABLE_BODY } from "../modules/check-body.ts";
import type { Module } from "../modules/module.ts";
import { noModuleTakes, route } from "../modules/route.ts";
import type { GateScope } from "../run/gate-state.ts";
import type { PeekedMessage } from "../run/message.ts";
import type { Source } from "../run/source.ts";

/** What the module files say of a message. */
export type Judgement =
  | { readonly fits: true; readonly module: Module }
  /** `module`: the name of the module that takes the message; empty if none does. `scope`: whose gate it meets. */
  | { readonly fits: false; readonly module: string; readonly scope: GateScope; readonly problem: string };

/**
 * Judges a message of a source by today's files. Throws an UnavailableError if the process did not get on with the
 * check of its body.
 */
export function judge(modules: Iterable<Module>, source: Source, message: PeekedMessage): Judgement {
  const module = route(modules, source, message);
  if (!module) return { fits: false, module: "", scope: { source }, problem: noModuleTakes(source) };
  const problem = message.bodyUnreadable ? UNREADABLE_BODY : checkBody(module, message.body);
  if (problem === undefined) return { fits: true, module };
  return { fits: false, module: module.name, scope: { module: module.name }, problem };
}
