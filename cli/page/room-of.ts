import type { Room } from "../../shared/api/route.ts";
import { errorText } from "../../shared/errors.ts";
import { makeOperator } from "../../shared/operate/operator.ts";
import type { Target } from "../target/open-target.ts";

/** The version in package.json: `build.js` puts it here. */
declare const PACKAGE_VERSION: string;

/** Module files are read again so often, because a page stays open for days. */
const RELOAD_MS = 10_000;

/** Makes what gives the Dispatcher of a command as it is now. */
export function roomOf(
  { deps, log, words, modules }: Pick<Target, "deps" | "log" | "words" | "modules">,
  { mayChange }: { readonly mayChange: boolean },
): () => Promise<Room> {
  let operator = makeOperator(deps, log);
  let readAt = performance.now();
  return async () => {
    if (performance.now() - readAt > RELOAD_MS) {
      readAt = performance.now();
      try {
        const read = await modules();
        operator = makeOperator({ ...deps, modules: new Map(read.map((module) => [module.name, module])) }, log);
      } catch (error) {
        log.warn("could not read the module files again", { error: errorText(error) });
      }
    }
    return {
      operator,
      clock: deps.clock,
      instance: deps.instance,
      namespace: deps.namespace,
      place: words,
      version: PACKAGE_VERSION,
      mayChange,
    };
  };
}
