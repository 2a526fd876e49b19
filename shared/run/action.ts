import type { EpochMs } from "../clock.ts";

/** What a person can do to an instance. */
export type Deed =
  | "adopt"
  | "force"
  | "cancel"
  | "open gate"
  | "accept cluster"
  | "accept loss"
  | "pause"
  | "resume"
  | "limit"
  | "purge dead letters"
  | "redrive dead letters"
  | "abort redrive"
  /** What an audit found, and a tick, a sweep or a purge would have done in its time. */
  | "mend";

/** What a person did, as the action log keeps it. */
export interface Action {
  readonly at: EpochMs;
  readonly who: string;
  readonly why?: string;
  /** A newer release may know others. */
  readonly what: Deed | (string & {});
  /** What it was done to: the id of a run, or the name of a module, a gate, a source or a namespace. */
  readonly subject: string;
  /** What else there is to say of it, such as `{ slots: 3 }`. */
  readonly facts: Readonly<Record<string, string | number | boolean>>;
}
