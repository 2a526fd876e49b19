import type { Dependencies } from "../dependencies.ts";
import { ConflictError, EntityMissingError, UnavailableError, unlessConflict } from "../errors.ts";
import { lookAtMessage } from "../observe/look-at-message.ts";
import type { StoredSourceHold } from "../ports/instance-table.ts";
import { makeRecent } from "../recent.ts";
import { type Run, runId } from "../run/run.ts";
import { type Source, sourceKey, sourceName } from "../run/source.ts";
import { type HoldReason, heldOn, isLossBelieved, type SourceHold } from "../run/source-hold.ts";
import type { Events } from "../telemetry/events.ts";
import { doubtLoss, type Looks } from "./doubt-loss.ts";
import { stillOpen } from "./still-open.ts";

/** So many missing messages of a held source are looked for in each tick. */
const LOOKS = 20;

/**
 * Knows which sources are held, because the bus has no such entity, or not the messages that the rows speak of. The
 * holds are rows, so that every replica keeps to them.
 */
export interface SourceHolds {
  /** Says whether a source is held, as read at most 10 s ago. Rejects with an UnavailableError if the table is away. */
  isHeld(source: Source): Promise<boolean>;
  /**
   * Looks at every held source again, for a tick, and ends the hold if what was missing is there. Rejects with an
   * UnavailableError if the table is away.
   */
  look(events: Events): Promise<SourcesInTick>;
}

/** What one tick knows of the sources. */
export interface SourcesInTick {
  /** Whether the runs of a source are left alone from here on. */
  isHeld(source: Source): boolean;
  /**
   * The hold of a source whose missing messages count as lost: their entity was missing for long, or a person said so.
   */
  lossOf(source: Source): SourceHold | undefined;
  /** The bus answered that this entity does not exist. */
  entityMissing(source: Source): void;
  /** A look for the message of a run found it, or did not. */
  looked(run: Run, isMissing: boolean): void;
  /**
   * All runs were looked at, or all sources swept: holds the sources whose entity, or most of whose messages, turned out
   * to be missing. If that can't be told of a source, it is held for this tick alone. Rejects with an UnavailableError
   * if the table is away.
   */
  conclude(events: Events): Promise<void>;
}

/** Makes the source holds of one replica. */
export function makeSourceHolds(deps: Dependencies): SourceHolds {
  const recent = makeRecent<readonly StoredSourceHold[]>(deps.clock);
  const read = () => deps.instanceTable.heldSources();

  return {
    async isHeld(source) {
      const held = await recent.get(read);
      return held.some((one) => sourceKey(one.source) === sourceKey(source));
    },

    async look(events) {
      const held = new Map<string, SourceHold>();
      const lost = new Map<string, SourceHold>();
      for (const stored of await recent.renew(read)) {
        const { source } = stored;
        const because = await reasonToHold(deps, stored);
        const hold = await keep(deps, stored, because);
        if (hold === undefined) {
          events.tell({ event: "source released", source: sourceName(source) });
          continue;
        }
        held.set(sourceKey(source), hold);
        events.tell({ event: "source held", source: sourceName(source), hold });
        if (because !== "unknown" && isLossBelieved(hold, deps.clock.now())) lost.set(sourceKey(source), hold);
      }
      return inTick(deps, held, lost);
    },
  };
}

/** Says why a held source is still to be held. Undefined: it is not. `unknown`: the bus could not be asked. */
async function reasonToHold(
  deps: Dependencies,
  { source, hold }: StoredSourceHold,
): Promise<HoldReason | "unknown" | undefined> {
  try {
    await deps.broker.browse(source, 0, 1);
    // If a person accepted the loss, the hold ends when no run is left to close.
    if (hold.acceptedAt !== undefined) return hold.because;
    if (hold.because === "entity missing") return undefined;
    const open = await stillOpen(
      deps,
      hold.missing.map((message) => ({ source, ...message })),
    );
    let missing = 0;
    for (const key of open) if ((await lookAtMessage(deps, key)).message === "absent") missing += 1;
    return missing > open.length / 2 ? "messages missing" : undefined;
  } catch (error) {
    if (error instanceof EntityMissingError) return "entity missing";
    if (error instanceof UnavailableError) return "unknown";
    throw error;
  }
}

/** Writes what became of a hold. Resolves to the hold; undefined if it has ended. */
async function keep(
  { instanceTable, clock }: Dependencies,
  { source, hold, etag }: StoredSourceHold,
  because: HoldReason | "unknown" | undefined,
): Promise<SourceHold | undefined> {
  if (because === "unknown") return hold;
  try {
    if (because === undefined) {
      await instanceTable.releaseSource(source, etag);
      return undefined;
    }
    const next = heldOn(hold, because, clock.now());
    if (next !== hold) await instanceTable.holdSource(source, next, etag);
    return next;
  } catch (error) {
    // Another replica was faster. The next tick reads what it wrote.
    if (error instanceof ConflictError) return hold;
    throw error;
  }
}

function inTick(
  deps: Dependencies,
  known: ReadonlyMap<string, SourceHold>,
  lost: ReadonlyMap<string, SourceHold>,
): SourcesInTick {
  const { instanceTable, clock } = deps;
  const held = new Set(known.keys());
  const missing: Source[] = [];
  const looks = new Map<string, Looks>();

  async function hold(source: Source, because: HoldReason, gone: readonly Run[], events: Events): Promise<void> {
    held.add(sourceKey(source));
    const some = gone.slice(0, LOOKS).map(({ sequenceNumber, enqueuedAt }) => ({ sequenceNumber, enqueuedAt }));
    const next = { ...heldOn(undefined, because, clock.now()), missing: some };
    events.tell({ event: "source held", source: sourceName(source), hold: next });
    await instanceTable.holdSource(source, next, undefined).catch(unlessConflict);
  }

  async function holdIfDoubted(seen: Looks, events: Events): Promise<void> {
    const { source } = seen;
    try {
      const doubt = await doubtLoss(deps, seen);
      if (doubt) await hold(source, doubt.because, doubt.missing, events);
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      // Without an answer no message counts as gone in this tick.
      held.add(sourceKey(source));
      const fields = { source: sourceName(source) };
      events.tell({ event: "failed", what: "left missing messages to the next tick", error, fields });
    }
  }

  return {
    lossOf: (source) => lost.get(sourceKey(source)),
    isHeld: (source) => held.has(sourceKey(source)),
    entityMissing(source) {
      if (held.has(sourceKey(source))) return;
      held.add(sourceKey(source));
      missing.push(source);
    },
    looked(run, isMissing) {
      // A person may have purged a dead letter queue, which says nothing of the messages of the source.
      if (run.redrive !== undefined) return;
      const key = sourceKey(run.source);
      const ofSource = looks.get(key) ?? { source: run.source, looked: new Set(), missing: new Map<string, Run>() };
      looks.set(key, ofSource);
      ofSource.looked.add(runId(run));
      if (isMissing) ofSource.missing.set(runId(run), run);
      else ofSource.missing.delete(runId(run));
    },
    async conclude(events) {
      for (const source of missing.splice(0)) await hold(source, "entity missing", [], events);
      for (const seen of looks.values()) {
        if (seen.missing.size === 0 || held.has(sourceKey(seen.source))) continue;
        // guard: source-held
        await holdIfDoubted(seen, events);
      }
      looks.clear();
    },
  };
}
