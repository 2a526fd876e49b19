import pLimit from "p-limit";
import { isFresh, type Reading } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import { ConflictError } from "../errors.ts";
import type { Module } from "../modules/module.ts";
import { templateOf } from "../modules/template-of.ts";
import type { StoredModuleState } from "../ports/instance-table.ts";
import {
  afterProbe,
  afterStartFailure,
  isTripped,
  type ModuleState,
  sound,
  type TrippedModule,
} from "../run/module-state.ts";
import { type AttemptEnd, type Run, runId } from "../run/run.ts";
import type { Events } from "../telemetry/events.ts";

/** How old what is known may be before a trigger reads again. */
const MAX_AGE_MS = 10_000;

/** How often a change is tried again after another process got ahead of it. */
const MAX_TRIES = 5;

/**
 * Knows which modules are tripped because their own template keeps their Jobs from starting: a circuit breaker for each
 * module.
 */
export interface Breakers {
  /** Reads the modules' rows. Each tick begins with it. */
  refresh(): Promise<void>;
  /** The same, unless it was done a moment ago. */
  refreshIfOld(): Promise<void>;
  /** How the module is tripped, as last read; undefined if it isn't. */
  tripOf(module: Module): TrippedModule | undefined;
  /**
   * Takes the right to probe a tripped module, for this replica alone. False if it isn't time yet, or another replica
   * took it.
   */
  takeProbe(module: Module, events: Events): Promise<boolean>;
  /**
   * Notes that a run's Job could not start, if that may be the template's fault. Resolves to the end as it counts for
   * the run.
   */
  noteFailure(run: Run, end: AttemptEnd, events: Events): Promise<AttemptEnd>;
  /**
   * Whether the start of a run's Job would prove its module sound, as last read. False if nothing speaks against the
   * module.
   */
  mayProve(run: Run): boolean;
  /** Notes that a run's Job started. Costs nothing if nothing speaks against its module. */
  noteStart(run: Run, events: Events): Promise<void>;
}

/**
 * Keeps the breakers in the table. All replicas share them, so it does not matter which of them saw a Job fail or
 * start.
 */
export function makeBreakers({
  instanceTable,
  clock,
  modules,
}: Pick<Dependencies, "instanceTable" | "clock" | "modules">): Breakers {
  // The writes of one process take turns: sixteen runs that fail in one tick would otherwise only get in each other's
  // way.
  const inTurn = pLimit(1);
  let known: ReadonlyMap<string, StoredModuleState> = new Map();
  let readAt: Reading | undefined;

  async function refresh(): Promise<void> {
    const states = await instanceTable.moduleStates();
    known = new Map(states.map((stored) => [stored.state.module, stored]));
    readAt = clock.read();
  }

  /**
   * Changes a module's row as `next` says; null leaves it. If another process was faster, the row is read, and `next`
   * asked again.
   */
  async function change(module: string, next: (state: ModuleState | undefined) => ModuleState | null) {
    return inTurn(async () => {
      for (let attempt = 1; ; attempt += 1) {
        const stored = known.get(module);
        const state = next(stored?.state);
        if (state === null) return stored?.state;
        try {
          await instanceTable.saveModuleState(state, stored?.etag);
          await refresh();
          return state;
        } catch (error) {
          if (!(error instanceof ConflictError) || attempt === MAX_TRIES) throw error;
          await refresh();
        }
      }
    });
  }

  const tripOf = (module: Module): TrippedModule | undefined => {
    const state = known.get(module.name)?.state;
    return isTripped(state, templateOf(module)) ? state : undefined;
  };

  const mayProve = (run: Run): boolean => {
    const state = known.get(run.module)?.state;
    return state !== undefined && provesSound(state, run);
  };

  return {
    refresh,
    async refreshIfOld() {
      if (!readAt || !isFresh(readAt, clock, MAX_AGE_MS)) await refresh();
    },
    tripOf,

    async takeProbe(module, events) {
      const now = clock.now();
      const template = templateOf(module);
      let isTaken = false;
      await change(module.name, (state) => {
        isTaken = isTripped(state, template) && now >= state.probeAt;
        return isTaken && isTripped(state, template) ? afterProbe(state, now) : null;
      });
      if (isTaken) events.tell({ event: "module probed", module: module.name });
      return isTaken;
    },

    async noteFailure(run, end, events) {
      const module = modules.get(run.module);
      const { startFault: fault, detail } = end;
      if (!module || fault === undefined || end.kind !== "failure") return end;
      const failure = { module: module.name, template: templateOf(module), runId: runId(run), fault, detail };
      let trippedByUs = false;
      const state = await change(module.name, (earlier) => {
        // Nothing new is not written: a thousand messages that meet the same fault would write the row a thousand
        // times.
        const isKnown = isTripped(earlier, failure.template) && earlier.fault === fault;
        const next = isKnown ? null : afterStartFailure(earlier, failure, clock.now());
        // Set anew with each try, because the replica that lost the race did not trip the module.
        trippedByUs = next?.trippedAt !== undefined && !isTripped(earlier, failure.template);
        return next;
      });
      if (!isTripped(state, failure.template)) return end;
      if (trippedByUs) events.tell({ event: "module tripped", module: module.name, why: detail });
      return { ...end, kind: "module", permanent: false };
    },

    mayProve,

    async noteStart(run, events) {
      if (!mayProve(run)) return;
      let recoveredByUs = false;
      await change(run.module, (state) => {
        const proven = state !== undefined && provesSound(state, run);
        recoveredByUs = proven && state.trippedAt !== undefined;
        return proven ? sound(state) : null;
      });
      if (recoveredByUs) events.tell({ event: "module recovered", module: run.module });
    },
  };
}

/** Says whether a run's Job was created after the trouble began: only such a Job proves that it is over. */
function provesSound(state: ModuleState, run: Run): boolean {
  return state.failed.length > 0 && run.dispatchedAt !== undefined && run.dispatchedAt >= state.since;
}
