import type { Dependencies } from "../dependencies.ts";
import { ConflictError, errorText, UnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { StoredEnds } from "../ports/instance-table.ts";
import { addEnd, addEnds, noEnds } from "../run/recent-ends.ts";
import type { EventReader } from "./events.ts";

/** How often a process notes what its deliveries closed. Its ticks note it each time. */
const NOTE_EVERY_MS = 10_000;
/** How often the row is read anew, if another replica adds to it each time. What could not be added waits. */
const MAX_WRITES = 3;

/** Counts what this process closes, and adds it to the instance's row, so that a restart forgets none of it. */
export interface RecentEndsCount {
  readonly read: EventReader;
  /** Adds what is not in the row yet. Never rejects for an outage: it is added the next time. */
  readonly note: () => Promise<void>;
  /** The same, unless the last time is less than 10 s ago. Deliveries ask for it, and wait for nothing. */
  readonly noteSoon: (log: Log) => void;
}

/**
 * Makes the count. All replicas add to one row, each on condition that it has not changed, so that none loses what
 * another one counted. It costs a write for each tick in which a run was closed, and nothing for a run.
 */
export function makeRecentEnds({
  instanceTable,
  clock,
}: Pick<Dependencies, "instanceTable" | "clock">): RecentEndsCount {
  let unnoted = noEnds();
  /** The row as this process read or wrote it last. */
  let row: StoredEnds | undefined;
  const startedAt = clock.read().monotonicMs;
  let notedAt: number | undefined;
  let underWay: Promise<void> | undefined;

  async function add(): Promise<void> {
    const added = unnoted;
    unnoted = noEnds();
    const since = Math.round(clock.now() - (clock.read().monotonicMs - startedAt));
    for (let write = 1; write <= MAX_WRITES; write += 1) {
      try {
        row ??= await instanceTable.ends();
        const ends = addEnds(row?.ends, { since, ...added }, clock.now());
        row = await instanceTable.saveEnds(ends, row?.etag);
        return;
      } catch (error) {
        row = undefined;
        if (error instanceof ConflictError) continue;
        putBack(added);
        if (error instanceof UnavailableError) return;
        throw error;
      }
    }
    putBack(added);
  }

  /** Keeps what could not be noted, beside what was counted meanwhile. */
  function putBack(added: typeof unnoted): void {
    unnoted = addEnds({ since: 0, ...added }, { since: 0, ...unnoted }, clock.now());
  }

  async function note(): Promise<void> {
    // Two at once would only meet each other's writes.
    await underWay;
    if (Object.keys(unnoted.slots).length === 0) return;
    notedAt = clock.read().monotonicMs;
    underWay = add().finally(() => {
      underWay = undefined;
    });
    await underWay;
  }

  return {
    read(event) {
      if (event.event !== "closed") return;
      addEnd(unnoted, event.run);
    },
    note,
    noteSoon(log) {
      if (notedAt !== undefined && clock.read().monotonicMs - notedAt < NOTE_EVERY_MS) return;
      void note().catch((error: unknown) => log.error("could not note what was closed", { why: errorText(error) }));
    },
  };
}
