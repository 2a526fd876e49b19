import { neededEnvironment } from "../../local/stack/own-environment.ts";
import { type Stack, type StackOptions, startStack } from "../../local/stack/start-stack.ts";

/** Starts the local stack for the modules of a directory, with a tick every second. `over` changes other options. */
export function startLocalStack(modulesDir: string, over: Partial<StackOptions> = {}): Promise<Stack> {
  return startStack({
    modulesDir,
    cluster: { kind: "stand-in" },
    filters: {},
    settings: { RECONCILE_SCHEDULE: "*/1 * * * * *" },
    env: neededEnvironment(process.env),
    ...over,
  });
}
