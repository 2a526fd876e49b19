import { setTimeout as sleep } from "node:timers/promises";
import type { LookDependencies } from "../../dependencies.ts";
import { ConflictError } from "../../errors.ts";
import type { ClosedRun, RunKey } from "../../run/run.ts";

/** A run that is waited for is looked for so often. */
const LOOK_EVERY_MS = 1_000;

/**
 * Waits until a run is closed, and resolves to it with its outcome. Undefined if there is no such run, or if `signal`
 * aborts the wait; `newer` if a newer release wrote its row. Costs one to three requests to the table each second.
 * Rejects with an UnavailableError if the table is away.
 */
export async function waitForRun(
  { table }: Pick<LookDependencies, "table">,
  key: RunKey,
  { signal, everyMs = LOOK_EVERY_MS }: { readonly signal?: AbortSignal; readonly everyMs?: number } = {},
): Promise<ClosedRun | "newer" | undefined> {
  for (;;) {
    if (signal?.aborted === true) return undefined;
    // A run that moves with each look is still open.
    const found = await table.find(key).catch((error: unknown) => {
      if (error instanceof ConflictError) return undefined;
      throw error;
    });
    if (found?.kind === "none") return undefined;
    if (found?.kind === "newer") return "newer";
    if (found?.kind === "closed") return found.run;
    await sleep(everyMs, undefined, signal ? { signal } : {}).catch(() => undefined);
  }
}
