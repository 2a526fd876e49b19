import type { Dependencies } from "../dependencies.ts";
import { DeniedError, UnavailableError } from "../errors.ts";
import type { SourceRuns } from "../observe/open-runs.ts";
import { idsAmong } from "../observe/orphan-messages.ts";
import { runId } from "../run/run.ts";
import { sourceKey } from "../run/source.ts";
import type { Events } from "../telemetry/events.ts";

/** Bodies looked at per source and look. */
const PAGE = 1_000;

/**
 * Makes what deletes bodies that a process stored after their run was closed, because it had slept. It walks through a
 * source's bodies, a page with each look. Only a closed row says that a body is of no use: if there is no row at all,
 * the table may be what is missing. Only the version that was seen is deleted, because a reopened run stores its body
 * anew.
 */
export function makeDeleteOrphanBodies(deps: Dependencies) {
  // Where the next page of each source begins. It is a hint, not state: a replica that forgets it begins anew.
  const cursors = new Map<string, string>();

  return async function deleteOrphanBodies({ source, atWork }: SourceRuns, events: Events): Promise<void> {
    const place = sourceKey(source);
    const { bodies, next } = await deps.payloads.listBodies(source, PAGE, cursors.get(place));
    const known = idsAmong(
      atWork,
      bodies.map(({ key }) => key),
    );
    const others = bodies.filter(({ key }) => !known.has(runId(key)));
    const waiting = await deps.table.knownToWait(
      source,
      others.map(({ key }) => key),
    );
    for (const { key, version } of others.filter((body) => !waiting.has(runId(body.key)))) {
      try {
        if ((await deps.table.find(key)).kind === "closed") await deps.payloads.deleteBody(key, version);
      } catch (error) {
        // What passes by itself is tried again in the next tick. Neither a row that can't be read nor a body that a
        // policy protects must keep the bodies behind it.
        if (error instanceof UnavailableError && !(error instanceof DeniedError)) throw error;
        events
          .about({ runId: runId(key) })
          .tell({ event: "failed", what: "left a stored body to a later look", error });
      }
    }
    if (next === undefined) cursors.delete(place);
    else cursors.set(place, next);
  };
}
