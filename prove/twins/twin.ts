import type { Finding, FindingKind, Records } from "../audit/audit.ts";
import { type Edit, type GuardEdit, TICKS_UNSHARED } from "./edit.ts";
import type { Scene } from "./scene.ts";
import type { Script } from "./script.ts";

/** A story in which one guard is needed. */
export interface Scenario {
  /** The story in one sentence. */
  readonly story: string;
  /** How many replicas there are; 2 by default. */
  readonly replicas?: number;
  /** How many seconds lie between two ticks; 2 by default. */
  readonly tickSeconds?: number;
  /** Whether there are thousands of rows, for which Azurite is too slow. */
  readonly hasManyRows?: boolean;
  /** Says what the replicas get from their first call on. */
  begin?(script: Script): void;
  /** Tells the story. Resolves when everything has been done to the replicas; the audit then judges what came of it. */
  play(scene: Scene): Promise<void>;
  /** Tells whether the story itself causes this finding, whatever the app does. */
  forgives?(finding: Finding, records: Records): boolean;
  /** Finds what the audit does not look for. */
  alsoFinds?(scene: Scene, records: Records): Promise<Finding[]>;
}

/** One guard of the app or of its host, and a story that goes wrong without it. */
export interface Twin {
  readonly name: string;
  /** What the guard does, as a claim. */
  readonly guard: string;
  /** The edits that take the guard out. */
  readonly removal: readonly [GuardEdit, ...GuardEdit[]];
  /**
   * Edits that are made in both builds. They take out a second line of defence, which would mend what the guard
   * prevents. So the build with the guard shows that the guard suffices alone.
   */
  readonly without?: readonly Edit[];
  readonly scenario: Scenario;
  /** Whether the story needs the watch on the Jobs, which all other stories do without. */
  readonly isWatched?: boolean;
  /** The audit has to find at least one thing of these kinds without the guard. */
  readonly finds: readonly [FindingKind, ...FindingKind[]];
  /** What goes wrong without the guard, in words for the table in the docs. */
  readonly shows: string;
}

/**
 * Edits that are made in every build, so that the app does not give up a call while a story stops it. A real process
 * can sleep for minutes between two calls, but a story can freeze it only within a call.
 */
const PATIENCE: readonly Edit[] = [
  { constant: "TABLE_TIMEOUT_MS", put: "120_000" },
  { constant: "BLOB_TIMEOUT_MS", put: "120_000" },
  { constant: "CLUSTER_TIMEOUT_MS", put: "120_000" },
  { constant: "BUS_TIMEOUT_MS", put: "120_000" },
  { constant: "IN_PROCESS_TIMEOUT_MS", put: "120_000" },
  // The next two only save time. The app looks for orphan bodies more often.
  { constant: "ORPHAN_BODIES_EVERY_MS", put: "3_000" },
  // The tick takes over a run whose trigger is frozen after three seconds, and not after fifteen.
  { constant: "START_TIME_MS", put: "3_000" },
  TICKS_UNSHARED,
];

/** Has each tick list, and nothing wake a run in between, so that a story can tell what a tick sees. */
const UNWATCHED: Edit = { constant: "LONGEST_WATCH_MS", put: "0" };

/** Edits that take out a second line of defence. */
export const NO_SWEEP: GuardEdit = { guard: "sweep", put: "do: async () => {}" };
export const NO_ORPHAN_BODIES: GuardEdit = { guard: "orphan-bodies", put: "do: async () => {}" };
export const NO_ORPHAN_JOBS: GuardEdit = { guard: "orphan-jobs", put: "" };

/** Lists the edits of the build with the guard. */
export function controlEdits({ without = [], isWatched = false }: Twin): readonly Edit[] {
  return [...PATIENCE, ...(isWatched ? [] : [UNWATCHED]), ...without];
}

/** Lists the edits of the build without the guard. */
export function twinEdits(twin: Twin): readonly Edit[] {
  return [...controlEdits(twin), ...twin.removal];
}
