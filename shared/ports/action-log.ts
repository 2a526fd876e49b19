import type { EpochMs } from "../clock.ts";
import type { Action } from "../run/action.ts";
import type { Source } from "../run/source.ts";

/** An action as the table held it. */
export interface StoredAction {
  /** Orders actions of all partitions, the newest first. */
  readonly id: string;
  readonly action: Action;
}

/**
 * The log of what persons did: a row for each action. It is written in the transaction of what the action changes, so
 * that nothing is changed without it. `source`: the source whose run was changed; undefined if it was a module, a gate, a
 * hold or the cluster's record. Throws `UnavailableError` for a failure that may pass by itself.
 */
export interface ActionLog {
  /** Notes an action that changes more than one transaction can, before it is begun. So it may have come to nothing. */
  recordAction(action: Action, source?: Source): Promise<void>;
  /**
   * Lists at most `limit` actions, the newest first; with `after`, only those behind the one with this id; with
   * `subject`, only those on this thing. Fewer are the last ones.
   */
  actions(source: Source | undefined, limit: number, after?: string, subject?: string): Promise<StoredAction[]>;
  /** Deletes at most `limit` actions from before this time. Resolves to their number. */
  purgeActions(source: Source | undefined, before: EpochMs, limit: number): Promise<number>;
}
