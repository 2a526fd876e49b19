import type { Books, Finding, Verdict } from "../audit/audit.ts";
import type { Edit } from "./edit.ts";
import type { Scene } from "./scene.ts";

/** A story in which one guard is needed. */
export interface Scenario {
  /** In one sentence. */
  readonly story: string;
  /** How many Dispatchers play; 2 by default. */
  readonly processes?: number;
  /** Resolves when everything has been done to the Dispatchers. What comes of it is for the audit. */
  play(scene: Scene): Promise<void>;
  /** What the story itself brings about, whatever the app does. */
  forgives?(finding: Finding, books: Books): boolean;
  /** What the audit of the proof doesn't look at. */
  alsoFinds?(scene: Scene, books: Books): Promise<Finding[]>;
}

/** One guard of the app, and the proof that something is lost without it. */
export interface Twin {
  readonly name: string;
  /** What the guard is. */
  readonly guard: string;
  /** Takes it out. */
  readonly removal: readonly [Edit, ...Edit[]];
  /**
   * Taken out of the control's build as well: a second line of defence, which would mend in time what the guard is there to prevent. So the
   * control shows that the guard holds alone.
   */
  readonly without?: readonly Edit[];
  readonly scenario: Scenario;
  /** What the audit finds in the twin's run: one of these at least. */
  readonly finds: readonly [Verdict, ...Verdict[]];
}

/**
 * In every build, the control's too: nothing that a story holds up is given up meanwhile. A real process can sleep for minutes between two
 * calls; a story can put it to sleep only within one.
 */
const PATIENCE: readonly Edit[] = [
  { file: "shared/adapters/azure-run-table.ts", find: "timeoutMs = 10_000 }", put: "timeoutMs = 120_000 }" },
  { file: "shared/adapters/blob-payload-store.ts", find: "timeoutMs = 10_000 }", put: "timeoutMs = 120_000 }" },
  { file: "shared/adapters/kubernetes-jobs.ts", find: "TIMEOUT_MS = 15_000;", put: "TIMEOUT_MS = 120_000;" },
  { file: "shared/adapters/service-bus-broker.ts", find: "TIMEOUT_MS = 10_000;", put: "TIMEOUT_MS = 120_000;" },
  // The others only save time. Stray bodies are looked for more often.
  {
    file: "shared/reconcile/housekeeping.ts",
    find: "STRAY_BODIES_EVERY_MS = 60_000;",
    put: "STRAY_BODIES_EVERY_MS = 3_000;",
  },
  // The timer looks after a run whose trigger sleeps a few seconds later, instead of fifteen.
  { file: "shared/dispatch/accept.ts", find: "TRIGGER_TIME_MS = 15_000;", put: "TRIGGER_TIME_MS = 3_000;" },
];

/** Second lines of defence. */
export const NO_SWEEP: Edit = {
  file: "shared/reconcile/housekeeping.ts",
  find: "do: () => sweep(deps, { source, runs, view, isOver }, tally, log),",
  put: "do: async () => {},",
};
export const NO_STRAY_BODIES: Edit = {
  file: "shared/reconcile/housekeeping.ts",
  find: "do: () => strayBodies(all) },",
  put: "do: async () => {} },",
};
export const NO_ORPHAN_JOBS: Edit = {
  file: "shared/reconcile/housekeeping.ts",
  find: "do: () => retireOrphanJobs(all, view, isOver, tally, log) },",
  put: "do: async () => {} },",
};

/** All that is changed in the control's build. */
export function controlEdits({ without = [] }: Twin): readonly Edit[] {
  return [...PATIENCE, ...without];
}

/** All that is changed in the twin's. */
export function twinEdits(twin: Twin): readonly Edit[] {
  return [...controlEdits(twin), ...twin.removal];
}
