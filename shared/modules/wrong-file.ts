import type { Dependencies } from "../dependencies.ts";

/**
 * A module file in which something is wrong. A running Dispatcher does not take it, and goes on with what it read
 * before, which a command can't know. So whatever such a file should have said is unknown, and never "gone".
 */
export interface WrongFile {
  /** The name that the file gives its module, as far as it can be read. */
  readonly module: string | undefined;
  /** One line each, beginning with `file:line:column`. */
  readonly mistakes: readonly string[];
}

/**
 * Says what is wrong with the file of a module that no right file names. If no wrong file names it either, any of them
 * may be its own, and the mistakes of all are given. Empty if no file is wrong: then the module's file is gone.
 */
export function mistakesFor({ wrongFiles }: Pick<Dependencies, "wrongFiles">, module: string): readonly string[] {
  const own = wrongFiles.filter((file) => file.module === module);
  return (own.length > 0 ? own : wrongFiles).flatMap(({ mistakes }) => mistakes);
}

/** Says why a run whose module has no right file, or is of another source now, does not start. */
export function causeWithoutModule(
  deps: Pick<Dependencies, "modules" | "wrongFiles">,
  module: string,
): "module-unread" | "module-removed" {
  return !deps.modules.has(module) && mistakesFor(deps, module).length > 0 ? "module-unread" : "module-removed";
}
