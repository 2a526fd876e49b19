import type { Dependencies } from "../dependencies.ts";
import { ConflictError, UnavailableError } from "../errors.ts";
import type { Module } from "../modules/module.ts";
import type { StoredLimit } from "../ports/instance-table.ts";
import { makeRecent } from "../recent.ts";
import { isInForce, isPause, type ModuleLimit, slotsBy } from "../run/module-limit.ts";

/** Knows which modules a person paused or limited. */
export interface Limits {
  /**
   * Reads the limits. Each tick begins with it. If the table can't be read, those that were read last go on counting;
   * rejects with an UnavailableError if none ever were.
   */
  refresh(): Promise<void>;
  /**
   * The same, unless it was done in the last 10 s. One request serves all modules. While a limit lets Jobs be at work, it
   * is read again after a second, because it may be more than the module's file allows: once it is lifted, or lowered, no
   * more Jobs start under it.
   */
  refreshIfOld(): Promise<void>;
  /** The limit that is in force on a module, as last read; undefined if there is none. */
  limitOf(module: Pick<Module, "name">): ModuleLimit | undefined;
  /** Whether nothing of a module is to start, because a person paused it. */
  isPaused(module: Pick<Module, "name">): boolean;
  /** How many Jobs of a module may be at work: by its limit, or else by its file. 0 if the limits were never read. */
  slotsOf(module: Module): number;
  /** Deletes the limits that have ended, as last read. Rejects with an UnavailableError if the table is away. */
  removeEnded(): Promise<void>;
}

/** How old a limit may be under which Jobs start. */
const SOON_MS = 1_000;

/** Keeps what was read last of the rows that persons write. All replicas read the same rows. */
export function makeLimits({ instanceTable, clock }: Pick<Dependencies, "instanceTable" | "clock">): Limits {
  const recent = makeRecent<ReadonlyMap<string, StoredLimit>>(clock);
  const read = async () =>
    new Map((await instanceTable.limits()).map((stored) => [stored.limit.module, stored] as const));

  /** A person's word holds while the table is away. Only a process that never read it knows nothing. */
  async function orAsLastRead(reading: Promise<unknown>): Promise<void> {
    try {
      await reading;
    } catch (error) {
      if (!(error instanceof UnavailableError) || recent.last() === undefined) throw error;
    }
  }

  const anySlots = () =>
    [...(recent.last()?.values() ?? [])].some(({ limit }) => !isPause(limit) && isInForce(limit, clock.now()));

  const limitOf: Limits["limitOf"] = ({ name }) => {
    const limit = recent.last()?.get(name)?.limit;
    return isInForce(limit, clock.now()) ? limit : undefined;
  };

  return {
    refresh: () => orAsLastRead(recent.renew(read)),
    refreshIfOld: () => orAsLastRead(recent.get(read, anySlots() ? SOON_MS : undefined)),
    limitOf,
    isPaused(module) {
      const limit = limitOf(module);
      return limit !== undefined && isPause(limit);
    },
    slotsOf: (module) => (recent.last() ? slotsBy(limitOf(module), module.maxActive) : 0),

    async removeEnded() {
      const all = [...(recent.last()?.values() ?? [])];
      for (const { limit, etag } of all.filter((stored) => !isInForce(stored.limit, clock.now()))) {
        try {
          await instanceTable.removeLimit(limit.module, etag);
        } catch (error) {
          // Another replica removed it, or a person wrote a new one.
          if (!(error instanceof ConflictError)) throw error;
        }
      }
    },
  };
}
