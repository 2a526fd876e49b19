import type { EpochMs } from "../clock.ts";
import type { ModuleLimit } from "../run/module-limit.ts";
import type { ClosedStatus } from "../run/run.ts";
import type { SafeFinding } from "./audit/finding.ts";

/** What an action did, or would do. The facts, not the words: `cli/repair/words.ts` has those. */
export type Done =
  /** Adopted: the run goes on with this attempt. */
  | { readonly did: "adopted"; readonly module: string; readonly attempt: number }
  /** Adopted, and no module takes it: a tick dead-letters it. */
  | { readonly did: "adopted to be rejected" }
  /** Adopted, and it was held before: a tick judges it. */
  | { readonly did: "adopted to be judged" }
  /** The sweep saw the stamp first, and inserted the row. */
  | { readonly did: "adopted by the sweep" }
  /** It had a row, and only lacked this instance's stamp. */
  | { readonly did: "stamped" }
  /** The cluster that is seen counts as the right one, and so many Jobs that are absent from it as deleted. */
  | { readonly did: "accepted the cluster"; readonly jobs: number }
  /** The missing messages of a source count as lost. */
  | { readonly did: "accepted the loss" }
  /** The attempt's Job is to be ended. */
  | { readonly did: "ordered the end" }
  /** The run is to end this way. `last`: no attempt was left. */
  | { readonly did: "recorded a verdict"; readonly outcome: ClosedStatus; readonly last: boolean }
  | { readonly did: "recorded the next attempt"; readonly attempt: number }
  /** What is held there is judged by the next ticks. */
  | { readonly did: "opened the gate" }
  /** So many Jobs of the module may be at work from now on; with 0 slots it is paused. */
  | ({ readonly did: "limited" } & ModuleLimit)
  /** What an audit had found is as it has to be. */
  | { readonly did: "mended"; readonly what: SafeFinding["kind"] }
  /** The module's file says again how many Jobs may be at work. `slots`: how many were allowed until now. */
  | { readonly did: "resumed"; readonly slots: number }
  /** The ticks redrive the wanted dead letters of the source. */
  | { readonly did: "ordered a redrive"; readonly most?: number; readonly perSecond: number }
  /** So many dead letters were redriven until then. */
  | { readonly did: "aborted a redrive"; readonly redriven: number };

/** Why nothing was left to do: an earlier try, or a replica, did it. */
type Already =
  | { readonly was: "adopted" | "given up" | "being cancelled" | "cancelled" }
  | { readonly was: "verdict recorded"; readonly outcome: ClosedStatus }
  /** It is the recorded cluster, and no Job is absent from it. */
  | { readonly was: "cluster accepted" }
  /** The missing messages of the source count as lost, and ticks close their runs. */
  | { readonly was: "loss accepted" }
  /** No message without a row has the owner's stamp. */
  | { readonly was: "nothing of this owner" }
  /** No gate of this name is shut. */
  | { readonly was: "not shut" }
  /** The module has this very limit, which this or another person set. */
  | ({ readonly was: "limited" } & ModuleLimit)
  /** No person paused or limited the module. */
  | { readonly was: "not limited" }
  /** No redrive of the source is at work. */
  | { readonly was: "not redriven" }
  /** What an audit had found is no longer so. */
  | { readonly was: "mended" };

/** Why an action can't be done. */
type Refusal =
  /** Neither the modules nor the table know a source by which the id or the name begins. */
  | { readonly because: "unknown source" }
  /** A queue and a subscription have the same name. */
  | { readonly because: "ambiguous name" }
  | { readonly because: "no such run" | "no such message" }
  /** A newer release wrote the run's row. */
  | { readonly because: "newer row" }
  | { readonly because: "message not deferred"; readonly state: string }
  /** Another receiver holds the message just now. */
  | { readonly because: "busy" }
  | { readonly because: "run closed"; readonly status: ClosedStatus }
  | { readonly because: "verdict recorded"; readonly outcome: ClosedStatus }
  /** The run has no Job that could be given up. */
  | { readonly because: "no job" }
  | { readonly because: "job ended"; readonly jobName: string }
  /** The source is not held: its runs go on by themselves. */
  | { readonly because: "not held" }
  /** A replica changed the row meanwhile. */
  | { readonly because: "moved on" | "gate moved on" }
  /** Another person, or a replica, changed the limit meanwhile. */
  | { readonly because: "limit moved on" }
  | { readonly because: "unknown module" }
  /** The number of slots is no whole number from 0 to `most`. */
  | { readonly because: "impossible slots"; readonly most: number }
  | { readonly because: "end has passed" }
  /** A redrive of the source is at work, and it can have one at a time. */
  | { readonly because: "redrive at work"; readonly who: string; readonly orderedAt: EpochMs }
  /** A replica, or another person, changed the redrive meanwhile. */
  | { readonly because: "redrive moved on" }
  /** KEDA counts no dead letters, so that the app would fall asleep over them. */
  | { readonly because: "may sleep" }
  /** A dependency is away. `detail`: its own words. */
  | { readonly because: "unavailable"; readonly detail: string };

/** What became of one action on one thing. */
export type Answer =
  | ({ readonly kind: "done" } & Done)
  /** A dry run: this would be done. */
  | ({ readonly kind: "would" } & Done)
  | ({ readonly kind: "already" } & Already)
  | ({ readonly kind: "refused" } & Refusal);

export const done = (facts: Done): Answer => ({ kind: "done", ...facts });
export const would = (facts: Done): Answer => ({ kind: "would", ...facts });
export const already = (facts: Already): Answer => ({ kind: "already", ...facts });
export const refused = (facts: Refusal): Answer => ({ kind: "refused", ...facts });
