import leven from "leven";
import type { Module } from "../shared/modules/module.ts";
import { Refusal } from "./refusal.ts";

/** More wrong letters than this are no slip. */
const MOST_WRONG = 3;

/**
 * Refuses the name of a module that no file has, and of which a list has found nothing. A module whose file is gone may
 * still have runs, so that its name is not refused before.
 */
export function refuseUnknown(name: string, modules: ReadonlyMap<string, Module>): void {
  if (name === "" || modules.has(name)) return;
  const names = [...modules.keys()];
  const [nearest] = names
    .map((known) => ({ known, wrong: leven(name.toLowerCase(), known.toLowerCase()) }))
    .toSorted((a, b) => a.wrong - b.wrong);
  const what =
    nearest && nearest.wrong <= MOST_WRONG ? `Did you mean ${nearest.known}?` : `There are: ${names.join(", ")}`;
  throw new Refusal(`No module is named ${name}, and nothing of such a module was found. ${what}`);
}
