import type { EpochMs } from "../clock.ts";
import type { Fields } from "../log.ts";
import type { Action, Deed } from "../run/action.ts";

/** Who acts, and why. */
export interface By {
  /** A user of Azure or of the cluster, or else `USER@HOST`. The program finds it: a person can't choose it. */
  readonly who: string;
  readonly why?: string;
}

/** How an action is done. */
export interface Doing {
  readonly by: By;
  /** Only says what would be done, and writes nothing. */
  readonly dryRun?: boolean;
}

/** Makes the row of the action log for what a person does. */
export function actionOf(by: By, what: Deed, subject: string, now: EpochMs, facts: Action["facts"] = {}): Action {
  return { at: now, ...by, what, subject, facts };
}

/** The fields of a log line that say who did it, and why. */
export function fieldsOf({ who, why }: By): Fields {
  return { who, why };
}
