import pLimit from "p-limit";
import type { Clock } from "./clock.ts";
import { ConflictError } from "./errors.ts";
import { makeRecent } from "./recent.ts";

/** How often a change is tried again after another process got ahead of it. */
const MAX_TRIES = 5;

/** A small state, as the table held it when it was read. */
interface Stored<State> {
  readonly state: State;
  readonly etag: string;
}

/** Where the states are kept. `save` throws ConflictError if the state changed since it was read. */
export interface StateStore<State> {
  readonly read: () => Promise<readonly Stored<State>[]>;
  readonly save: (state: State, etag: string | undefined) => Promise<void>;
  /** Names the thing that the state is of. */
  readonly keyOf: (state: State) => string;
  readonly clock: Clock;
}

/** A few small states that all replicas share, so that it does not matter which of them saw something happen. */
export interface SharedStates<State> {
  /** Reads them all. Each tick begins with it. */
  refresh(): Promise<void>;
  /** The same, unless it was done a moment ago. */
  refreshIfOld(): Promise<void>;
  /** The state of this name, as last read. */
  get(key: string): State | undefined;
  /**
   * Changes a state as `next` says; null leaves it. Resolves to the state as it is then. If another process was faster,
   * the states are read, and `next` is asked again.
   */
  change(key: string, next: (state: State | undefined) => State | null): Promise<State | undefined>;
}

export function makeSharedStates<State>({ read, save, keyOf, clock }: StateStore<State>): SharedStates<State> {
  // The writes of one process take turns: sixteen runs that meet the same in one tick would otherwise only get in each
  // other's way.
  const inTurn = pLimit(1);
  const recent = makeRecent<ReadonlyMap<string, Stored<State>>>(clock);
  const readAll = async () => new Map((await read()).map((stored) => [keyOf(stored.state), stored]));
  const refresh = async () => void (await recent.renew(readAll));

  return {
    refresh,
    refreshIfOld: async () => void (await recent.get(readAll)),
    get: (key) => recent.last()?.get(key)?.state,
    change: async (key, next) =>
      inTurn(async () => {
        for (let attempt = 1; ; attempt += 1) {
          const stored = recent.last()?.get(key);
          const state = next(stored?.state);
          if (state === null) return stored?.state;
          try {
            await save(state, stored?.etag);
            await refresh();
            return state;
          } catch (error) {
            if (!(error instanceof ConflictError) || attempt === MAX_TRIES) throw error;
            await refresh();
          }
        }
      }),
  };
}
