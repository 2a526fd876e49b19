import type { EpochMs } from "../clock.ts";

/**
 * What is known of a module whose Jobs can't start. A module is always in one of these states:
 *
 * - sound: nothing speaks against the module. The first Job that can't start makes it counting.
 * - counting: the Jobs of one or two messages could not start, and no other Job of the module started since. The Job of a
 *   third message trips the module; any Job that starts makes it sound.
 * - tripped: the template is to blame. Its messages wait, and one of them is tried from time to time: a probe. Any Job
 *   that starts makes the module sound, and so does another template.
 *
 * Different messages are counted, not attempts: one message whose Job fails to start again and again may itself be the
 * reason, and has a budget of its own. While the module is tripped no message's budget is touched.
 */
export interface ModuleState {
  readonly module: string;
  /** The template that this is known of: see `templateOf`. It says nothing about another one. */
  readonly template: string;
  /** The cause of the last failure: see `AttemptEnd.startFault`. */
  readonly fault: string;
  /** Ids of the runs whose Jobs could not start; empty if the module is sound. */
  readonly failed: readonly string[];
  /** When the first of them failed. A Job that was created before proves nothing. */
  readonly since: EpochMs;
  /** What the last of them said, for people. */
  readonly detail: string;
  readonly trippedAt?: EpochMs;
  /** When the next message may be tried. */
  readonly probeAt?: EpochMs;
  /** How many probes there were so far: the wait doubles with each. */
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

/** So many different messages have to fail before a module trips, because fewer could be bad luck of their own. */
const FAILURES_TO_TRIP = 3;
const PROBE_FIRST_MS = 60_000;
const PROBE_MAX_MS = 10 * 60_000;

/** Says whether the module is tripped, as it is configured now. */
export function isTripped(state: ModuleState | undefined, template: string): state is TrippedModule {
  return state !== undefined && state.template === template && state.trippedAt !== undefined;
}

/** Adds one more Job that could not start. */
export function afterStartFailure(known: ModuleState | undefined, failure: StartFailure, now: EpochMs): ModuleState {
  const { module, template, runId, fault, detail } = failure;
  // The causes need not be the same: a refusal may carry an id or a time, and the second fault of a template comes to
  // light only once the first is mended.
  const goesOn = known?.template === template && known.failed.length > 0;
  const before: Pick<ModuleState, "failed" | "since" | "probes" | "trippedAt" | "probeAt"> = goesOn
    ? known
    : { failed: [], since: now, probes: 0 };
  const failed = before.failed.includes(runId) || isFull(before) ? before.failed : [...before.failed, runId];
  const state: ModuleState = { ...before, module, template, fault, detail, failed };
  if (state.trippedAt !== undefined || !isFull(state)) return state;
  return { ...state, trippedAt: now, probeAt: now + PROBE_FIRST_MS };
}

/** Notes a probe. The next one comes later, after twice the wait. */
export function afterProbe(state: TrippedModule, now: EpochMs): ModuleState {
  const probes = state.probes + 1;
  return { ...state, probes, probeAt: now + Math.min(PROBE_MAX_MS, PROBE_FIRST_MS * 2 ** Math.min(probes, 20)) };
}

/** Notes that a Job started, so that nothing speaks against the module any more. */
export function sound({ module, template, since, detail }: ModuleState): ModuleState {
  return { module, template, fault: "", failed: [], since, detail, probes: 0 };
}

function isFull({ failed }: Pick<ModuleState, "failed">): boolean {
  return failed.length >= FAILURES_TO_TRIP;
}
