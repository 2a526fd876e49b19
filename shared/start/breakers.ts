import type { EpochMs } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import type { Module } from "../modules/module.ts";
import { templateOf } from "../modules/template-of.ts";
import type { StoredModuleState } from "../ports/instance-table.ts";
import {
  afterProbe,
  afterStartFailure,
  isTripped,
  type ModuleState,
  type StartFailure,
  sound,
  type TrippedModule,
} from "../run/module-state.ts";
import { type AttemptEnd, type Run, runId } from "../run/run.ts";
import { makeSharedStates } from "../shared-states.ts";
import type { Events } from "../telemetry/events.ts";

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

/** Keeps the breakers in the table, so that all replicas share them. */
export function makeBreakers({
  instanceTable,
  clock,
  modules,
}: Pick<Dependencies, "instanceTable" | "clock" | "modules">): Breakers {
  const states = makeSharedStates<ModuleState>({
    read: () => instanceTable.moduleStates(),
    save: (state, etag) => instanceTable.saveModuleState(state, etag),
    keyOf: ({ module }) => module,
    clock,
  });

  const tripOf = (module: Module): TrippedModule | undefined => {
    const state = states.get(module.name);
    return isTripped(state, templateOf(module)) ? state : undefined;
  };

  const mayProve = (run: Run): boolean => {
    const state = states.get(run.module);
    return state !== undefined && provesSound(state, run);
  };

  return {
    refresh: () => states.refresh(),
    refreshIfOld: () => states.refreshIfOld(),
    tripOf,

    async takeProbe(module, events) {
      const now = clock.now();
      const template = templateOf(module);
      let isTaken = false;
      await states.change(module.name, (state) => {
        isTaken = isTripped(state, template) && now >= state.probeAt;
        return isTaken && isTripped(state, template) ? afterProbe(state, now) : null;
      });
      if (isTaken) events.tell({ event: "module probed", module: module.name });
      return isTaken;
    },

    async noteFailure(run, end, events) {
      const failure = startFailureOf(modules, run, end);
      if (!failure) return end;
      let trippedByUs = false;
      const state = await states.change(failure.module, (earlier) => {
        const next = isKnown(earlier, failure) ? null : afterStartFailure(earlier, failure, clock.now());
        // Set anew with each try, because the replica that lost the race did not trip the module.
        trippedByUs = next?.trippedAt !== undefined && !isTripped(earlier, failure.template);
        return next;
      });
      if (trippedByUs) events.tell({ event: "module tripped", module: failure.module, why: failure.detail });
      return asItCounts(end, state, failure);
    },

    mayProve,

    async noteStart(run, events) {
      if (!mayProve(run)) return;
      let recoveredByUs = false;
      await states.change(run.module, (state) => {
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

/** Lists the modules that are tripped as these states say, by their names. */
export function tripsIn(
  modules: ReadonlyMap<string, Module>,
  states: readonly StoredModuleState[],
): ReadonlyMap<string, TrippedModule> {
  const tripped = new Map<string, TrippedModule>();
  for (const { state } of states) {
    const module = modules.get(state.module);
    if (module && isTripped(state, templateOf(module))) tripped.set(module.name, state);
  }
  return tripped;
}

/**
 * Says how an end counts for its run if the breaker learns of it now, and writes nothing. `state`: that of the run's
 * module.
 */
export function endAsItCounts(
  modules: ReadonlyMap<string, Module>,
  state: ModuleState | undefined,
  { run, end, now }: { readonly run: Run; readonly end: AttemptEnd; readonly now: EpochMs },
): AttemptEnd {
  const failure = startFailureOf(modules, run, end);
  if (!failure) return end;
  return asItCounts(end, isKnown(state, failure) ? state : afterStartFailure(state, failure, now), failure);
}

/** Makes what the breaker learns of an end; undefined if its module's template can't be to blame. */
function startFailureOf(
  modules: ReadonlyMap<string, Module>,
  run: Run,
  { startFault: fault, detail, kind }: AttemptEnd,
): StartFailure | undefined {
  const module = modules.get(run.module);
  if (!module || fault === undefined || kind !== "failure") return undefined;
  return { module: module.name, template: templateOf(module), runId: runId(run), fault, detail };
}

/**
 * Whether the state says it already. Then nothing is written: a thousand messages that meet the same fault would write
 * the row a thousand times.
 */
function isKnown(state: ModuleState | undefined, { template, fault }: StartFailure): boolean {
  return isTripped(state, template) && state.fault === fault;
}

/** If the module is tripped, the end costs the message nothing. */
function asItCounts(end: AttemptEnd, state: ModuleState | undefined, { template }: StartFailure): AttemptEnd {
  return isTripped(state, template) ? { ...end, kind: "module", permanent: false } : end;
}
