import type { Books, Finding, Verdict } from "../audit/audit.ts";
import type { Edit, GuardEdit } from "./edit.ts";
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
  readonly removal: readonly [GuardEdit, ...GuardEdit[]];
  /**
   * Taken out of the control's build as well: a second line of defence, which would mend in time what the guard is there to prevent. So the
   * control shows that the guard holds alone.
   */
  readonly without?: readonly Edit[];
  readonly scenario: Scenario;
  /** What the audit finds in the twin's run: one of these at least. */
  readonly finds: readonly [Verdict, ...Verdict[]];
  /** The same in words, for the table in the docs. */
  readonly shows: string;
}

/**
 * In every build, the control's too: nothing that a story holds up is given up meanwhile. A real process can sleep for minutes between two
 * calls; a story can put it to sleep only within one.
 */
const PATIENCE: readonly Edit[] = [
  { constant: "TABLE_TIMEOUT_MS", put: "120_000" },
  { constant: "BLOB_TIMEOUT_MS", put: "120_000" },
  { constant: "CLUSTER_TIMEOUT_MS", put: "120_000" },
  { constant: "BUS_TIMEOUT_MS", put: "120_000" },
  // The others only save time. Stray bodies are looked for more often.
  { constant: "ORPHAN_BODIES_EVERY_MS", put: "3_000" },
  // The timer looks after a run whose trigger sleeps a few seconds later, instead of fifteen.
  { constant: "TRIGGER_TIME_MS", put: "3_000" },
];

/** Second lines of defence. */
export const NO_SWEEP: GuardEdit = { guard: "sweep", put: "do: async () => {}" };
export const NO_ORPHAN_BODIES: GuardEdit = { guard: "orphan-bodies", put: "do: async () => {}" };
export const NO_ORPHAN_JOBS: GuardEdit = { guard: "orphan-jobs", put: "do: async () => {}" };

/** All that is changed in the control's build. */
export function controlEdits({ without = [] }: Twin): readonly Edit[] {
  return [...PATIENCE, ...without];
}

/** All that is changed in the twin's. */
export function twinEdits(twin: Twin): readonly Edit[] {
  return [...controlEdits(twin), ...twin.removal];
}
