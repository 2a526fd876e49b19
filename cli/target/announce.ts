import type { Settings } from "../../shared/config.ts";
import { plainText } from "../text/plain-text.ts";
import { note } from "../text/print.ts";
import type { Found } from "./find-target.ts";
import { whoActs } from "./who-acts.ts";

/**
 * Finds who acts. If it is not the stack of this machine, says on stderr what is about to be changed, where, and by
 * whom.
 */
export async function announce(found: Found, change: string): Promise<string> {
  const who = await whoActs(found);
  if (found.kind !== "stack") note(plainText(`${change} in ${found.words} (${placeOf(found.settings)}), as ${who}`));
  return who;
}

/** Where the messages and the Jobs of a Dispatcher are. */
function placeOf({ serviceBus, jobNamespace }: Settings): string {
  const bus =
    serviceBus.kind === "identity"
      ? serviceBus.fullyQualifiedNamespace
      : (/sb:\/\/([^;/]+)/.exec(serviceBus.value)?.[1] ?? "");
  return `bus ${bus}, Jobs in namespace ${jobNamespace}`;
}
