import { makeRoom } from "../../shared/api/room.ts";
import type { Room } from "../../shared/api/route.ts";
import { errorText } from "../../shared/errors.ts";
import { mistakesIn } from "../../shared/module-files/load-modules.ts";
import { sharedWhileUnderWay } from "../../shared/under-way.ts";
import type { Target } from "../target/open-target.ts";

/** Module files are read again so often, because a page stays open for days. */
const RELOAD_MS = 10_000;

/** Makes what gives the Dispatcher of a command as it is now. */
export function roomOf(
  { deps, log, words, modules }: Pick<Target, "deps" | "log" | "words" | "modules">,
  of: Pick<Room, "target" | "mayChange">,
): () => Promise<Room> {
  let room = makeRoom(deps, log, { place: words, fileMistakes: mistakesIn(deps.wrongFiles), ...of });
  let readAt = performance.now();
  // Who asks for an audit while another one is under way shares it, also if the files were read anew meanwhile.
  const audit = sharedWhileUnderWay(() => room.audit());
  return async () => {
    if (performance.now() - readAt > RELOAD_MS) {
      readAt = performance.now();
      try {
        const read = await modules();
        const modulesNow = new Map(read.modules.map((module) => [module.name, module]));
        const now = { ...deps, modules: modulesNow, wrongFiles: read.wrongFiles };
        room = makeRoom(now, log, { place: words, fileMistakes: mistakesIn(read.wrongFiles), ...of });
      } catch (error) {
        log.warn("could not read the module files again", { error: errorText(error) });
      }
    }
    return { ...room, audit };
  };
}
