import type { EpochMs } from "../clock.ts";
import { type Source, sourceName } from "./source.ts";

/** What a gate stands for: one module, or one source, if no module takes the message. */
export type GateScope = { readonly module: string } | { readonly source: Source };

/**
 * What is known of how the module files judge the messages of a module or a source. Each has a gate in front of its
 * rejections, which is always in one of these states:
 *
 * - untried: no message was rejected since its files changed. There is no state, or one of other files.
 * - counting: one to nine messages were rejected since, and none was accepted. They are dead-lettered.
 * - shut: ten were. More likely the files are wrong than all messages, so that what would be rejected is held from then
 *   on. What fits is accepted as ever, and opens the gate.
 * - open: a message was accepted since, or a person opened the gate. What is rejected is dead-lettered, however much it
 *   is, and nothing is counted any more. The first message that is accepted says so in the state.
 *
 * Files that change make the gate untried again. What is held is judged once the gate is not shut: its rejections count
 * as any others. So each state but `open` ends after ten messages, and the gate can't flap.
 */
export interface GateState {
  readonly scope: GateScope;
  /** The files that this is known of: see `filesOf`. It says nothing about others. */
  readonly files: string;
  readonly status: "counting" | "shut" | "open";
  /** Ids of the runs that were rejected, ten at most. */
  readonly rejected: readonly string[];
  /** What the last one was rejected for, for people. Empty if none was. */
  readonly problem: string;
  /** Since when the gate is in its state. */
  readonly since: EpochMs;
  /**
   * Other files, for which the gate is open, though it counts or is shut for these. So it is in a rollout: replicas with
   * the old files reject what replicas with the new ones accept.
   */
  readonly openFor?: string;
}

/** A message that the files don't fit. */
export interface Rejection {
  readonly scope: GateScope;
  readonly files: string;
  readonly runId: string;
  readonly problem: string;
}

/** So many messages in a row shut a gate. Fewer would hold up a sender's own mistakes; all others are held. */
const REJECTIONS_TO_SHUT = 10;

/** Names a gate, as a person does: `module:thumbnail`, or `source:thumbnails`. */
export function gateName(scope: GateScope): string {
  return "module" in scope ? `module:${scope.module}` : `source:${sourceName(scope.source)}`;
}

/** Says whether the gate is shut, as its files are now. */
export function isShut(state: GateState | undefined, files: string): state is GateState {
  return state?.files === files && state.status === "shut";
}

/** Says whether the gate is open, as its files are now. */
export function isOpen(state: GateState | undefined, files: string): boolean {
  return state?.openFor === files || (state?.files === files && state.status === "open");
}

/** Counts a rejection. Resolves to null if it changes nothing: the gate is open or shut, or the run was counted before. */
export function afterRejection(known: GateState | undefined, rejection: Rejection, now: EpochMs): GateState | null {
  const { scope, files, runId, problem } = rejection;
  if (isOpen(known, files)) return null;
  const goesOn = known?.files === files;
  if (goesOn && (known.status !== "counting" || known.rejected.includes(runId))) return null;
  const rejected = [...(goesOn ? known.rejected : []), runId];
  const isFull = rejected.length >= REJECTIONS_TO_SHUT;
  const since = goesOn && !isFull ? known.since : now;
  const open = goesOn && known.openFor !== undefined ? { openFor: known.openFor } : {};
  return { scope, files, status: isFull ? "shut" : "counting", rejected, problem, since, ...open };
}

/** Says whether this run may be rejected: its gate is open, or it is one of the first. */
export function mayReject(state: GateState | undefined, { files, runId }: Rejection): boolean {
  return isOpen(state, files) || (state?.files === files && state.rejected.includes(runId));
}

/**
 * Opens the gate for these files, because a message was accepted, or a person said so. If it counts or is shut for other
 * files, it stays so for them, because replicas that still have them would reject ten messages more.
 */
export function opened(
  known: GateState | undefined,
  { scope, files }: Pick<GateState, "scope" | "files">,
  now: EpochMs,
): GateState {
  if (known?.files === files) return { ...known, status: "open", rejected: [], since: now };
  if (known && known.status !== "open") return { ...known, openFor: files };
  return { scope, files, status: "open", rejected: [], problem: "", since: now };
}
