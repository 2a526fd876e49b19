import type { Dependencies } from "../../shared/dependencies.ts";
import { type Log, makeLog } from "../../shared/log.ts";
import { makeDependencies } from "../../shared/make-dependencies.ts";
import { type ModulesRead, readModules } from "../../shared/module-files/load-modules.ts";
import { plainText } from "../text/plain-text.ts";
import { note } from "../text/print.ts";
import { readable } from "../text/readable-log.ts";
import { announce } from "./announce.ts";
import { findTarget } from "./find-target.ts";
import type { TargetFlags } from "./flags.ts";
import { lazyAdapters } from "./lazy-adapters.ts";
import { wrongFileText } from "./wrong-file-text.ts";

/** A Dispatcher that a command looks at or changes. */
export interface Target {
  readonly deps: Dependencies;
  /** Writes to stderr what was changed, as a replica would log it, in plain words. */
  readonly log: Log;
  /** Its own words for a person: see `Found`. */
  readonly words: string;
  /** Whether it is a release in a cluster, so that the rights in use are the operator's own, and not the app's. */
  readonly isRelease: boolean;
  /** Reads the module files as they are now, those that are wrong left out. */
  modules(): Promise<ModulesRead>;
  /** A sentence for each setting that no program reads. */
  readonly strays: readonly string[];
  /** Says what is about to be changed, and finds who acts: see `announce`. */
  announce(change: string): Promise<string>;
  readonly close: () => Promise<void>;
}

/**
 * Opens the Dispatcher that the command is about. Makes no request to bus or storage. Rejects as `findTarget` does.
 * `allFiles`: a module file that is wrong is an error, as it is for what judges messages by the files. Without it, such a
 * file is passed over, because the Dispatcher goes on with what it had loaded before.
 */
export async function openTarget(flags: TargetFlags, { allFiles = false } = {}): Promise<Target> {
  const found = await findTarget(flags);
  const read = allFiles ? undefined : rightModules(found.settings.modulesDir);
  const log = makeLog({ info: say, warn: say, error: say });
  const { adapters, close } = lazyAdapters();
  const deps = makeDependencies(found.settings, log, adapters, {
    kubeConfig: found.kubeConfig,
    read,
  });
  return {
    deps,
    log,
    words: found.words,
    isRelease: found.kind === "release",
    async modules() {
      await found.copyModules?.();
      return readModules(found.settings.modulesDir);
    },
    strays: found.strays ?? [],
    announce: (change) => announce(found, change),
    async close() {
      await close();
      await found.cleanUp?.();
    },
  };
}

/** Loads the module files that are right, and says on stderr what is wrong with the others. */
function rightModules(directory: string): ModulesRead {
  const read = readModules(directory);
  for (const file of read.wrongFiles) note(plainText(wrongFileText(file)));
  return read;
}

/** Writes a line of the log for people. */
function say(line: string): void {
  note(plainText(readable(line)));
}
