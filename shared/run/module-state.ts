import type { EpochMs } from "../clock.ts";

/**
 * What is known of a module whose Jobs can't start.
 *
 * | state    | means                                                                          | leaves by                                          |
 * | -------- | ------------------------------------------------------------------------------ | -------------------------------------------------- |
 * | sound    | nothing is held against it                                                     | a Job can't start: counting                        |
 * | counting | the Jobs of one or two messages could not start, all for the same cause        | one more message: tripped; any Job starts: sound    |
 * | tripped   | the template is to blame: its messages wait, one is tried from time to time    | any Job starts, or the template is another: sound  |
 *
 * Different messages are counted, not attempts: one message whose Job fails to start again and again may itself be the reason, and has its own
 * budget. While the module is tripped no message's budget is touched.
 */
export interface ModuleState {
  readonly module: string;
  /** Of which template this is known: see `templateOf`. What is known of another one is void. */
  readonly template: string;
  /** The cause that they have in common: see `Ending.startFault`. */
  readonly fault: string;
  /** Ids of the runs whose Jobs could not start; none where the module is sound. */
  readonly failed: readonly string[];
  /** Since the first of them. A Job created before proves nothing. */
  readonly since: EpochMs;
  /** The last of them, for people. */
  readonly detail: string;
  readonly trippedAt?: EpochMs;
  /** When the next message may be tried. */
  readonly probeAt?: EpochMs;
  /** How many were tried so far: the wait doubles with each. */
  readonly probes: number;
}

/** A Job that could not start. */
export interface StartFailure {
  readonly module: string;
  readonly template: string;
  readonly runId: string;
  readonly fault: string;
  readonly detail: string;
}

/** A tripped module. */
export type TrippedModule = ModuleState & { readonly trippedAt: EpochMs; readonly probeAt: EpochMs };

/** Messages that it takes: fewer could be bad luck of their own. */
const FAILURES_TO_TRIP = 3;
const PROBE_FIRST_MS = 60_000;
const PROBE_MAX_MS = 10 * 60_000;

/** Whether this is known of the module as it is configured now, and trips it. */
export function isTripped(state: ModuleState | undefined, template: string): state is TrippedModule {
  return state !== undefined && state.template === template && state.trippedAt !== undefined;
}

/** What is known after one more Job could not start. */
export function afterStartFailure(known: ModuleState | undefined, failure: StartFailure, now: EpochMs): ModuleState {
  const { module, template, runId, fault, detail } = failure;
  // A tripped module stays so whatever its template's next fault is: the first one is mended, and the second comes to light.
  const goesOn = known?.template === template && (known.fault === fault || known.trippedAt !== undefined);
  const before: Pick<ModuleState, "failed" | "since" | "probes" | "trippedAt" | "probeAt"> =
    goesOn && known.failed.length > 0 ? known : { failed: [], since: now, probes: 0 };
  const failed = before.failed.includes(runId) || isFull(before) ? before.failed : [...before.failed, runId];
  const state: ModuleState = { ...before, module, template, fault, detail, failed };
  if (state.trippedAt !== undefined || !isFull(state)) return state;
  return { ...state, trippedAt: now, probeAt: now + PROBE_FIRST_MS };
}

/** A message is tried: the next one is tried later, twice as late each time. */
export function afterProbe(state: TrippedModule, now: EpochMs): ModuleState {
  const probes = state.probes + 1;
  return { ...state, probes, probeAt: now + Math.min(PROBE_MAX_MS, PROBE_FIRST_MS * 2 ** Math.min(probes, 20)) };
}

/** A Job started: nothing is held against the module any more. */
export function sound({ module, template, since, detail }: ModuleState): ModuleState {
  return { module, template, fault: "", failed: [], since, detail, probes: 0 };
}

function isFull({ failed }: Pick<ModuleState, "failed">): boolean {
  return failed.length >= FAILURES_TO_TRIP;
}
