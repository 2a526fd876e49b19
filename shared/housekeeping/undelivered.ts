import type { Reading } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import type { SourceRuns } from "../observe/open-runs.ts";
import { sourceKey, sourceName } from "../run/source.ts";
import type { Events } from "../telemetry/events.ts";

/** About a minute: every tick that lists the Jobs looks, if that is one a minute. */
const LOOK_EVERY_MS = 55_000;
/** A message that is active for longer than this is not being delivered. */
const UNDELIVERED_AFTER_MS = 15 * 60_000;
/** Messages peeked at in one request, and in one look. */
const PAGE = 50;
const MOST_IN_A_LOOK = 1_000;

/** What the last look at a source saw. It is a hint, not state: a replica that forgets it says so a minute later. */
interface Look {
  readonly at: Reading;
  /** Every message before this number was delivered. */
  readonly from: number;
  /** The first message that was still active. */
  readonly firstActive?: number | undefined;
}

/**
 * Makes what finds a source whose messages no trigger is given, because the service stopped sending on its link, or the
 * host stopped listening. Nothing else would tell, because the ticks go on. Once a minute it peeks at each source that
 * was delivered nothing since, from behind the highest number that its rows know. If the first active message there was
 * the first one a minute ago too, and is older than 15 minutes, it says so. A backlog that is delivered moves on.
 */
export function makeFindUndelivered({ broker, clock }: Pick<Dependencies, "broker" | "clock">) {
  const looks = new Map<string, Look>();

  return async function findUndelivered(read: SourceRuns, events: Events): Promise<void> {
    const place = sourceKey(read.source);
    const last = looks.get(place);
    const at = clock.read();
    if (last && at.monotonicMs - last.at.monotonicMs < LOOK_EVERY_MS) return;
    const next = highestNumber(read) + 1;
    if (last === undefined || next > last.from) {
      looks.set(place, { at, from: next });
      return;
    }
    // With no open run nothing of ours is deferred, so it costs no more to begin anew. An entity that was created again
    // counts from 1.
    const { from, active } = await firstActive(read, next === 1 ? 1 : last.from);
    looks.set(place, { at, from, firstActive: active?.sequenceNumber });
    if (active === undefined || active.sequenceNumber !== last.firstActive) return;
    const ageMs = clock.now() - active.enqueuedAt;
    if (ageMs < UNDELIVERED_AFTER_MS) return;
    const { sequenceNumber } = active;
    events.tell({ event: "undelivered message found", source: sourceName(read.source), sequenceNumber, ageMs });
  };

  /** Looks for the first active message from a number on. `from`: where the next look can begin. */
  async function firstActive({ source }: SourceRuns, start: number) {
    let from = start;
    for (let seen = 0; seen < MOST_IN_A_LOOK; seen += PAGE) {
      const page = await broker.browse(source, from, PAGE);
      const active = page.find(({ state }) => state === "active");
      if (active) return { from: active.sequenceNumber, active };
      from = (page.at(-1)?.sequenceNumber ?? from - 1) + 1;
      if (page.length < PAGE) break;
    }
    return { from, active: undefined };
  }
}

/** The highest sequence number of the runs that the tick has read; 0 if it has read none. */
function highestNumber({ atWork, due, heads, held }: SourceRuns): number {
  return [...atWork, ...due, ...heads, ...held].reduce((most, { run }) => Math.max(most, run.sequenceNumber), 0);
}
