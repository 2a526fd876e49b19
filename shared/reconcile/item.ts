import type { SourcesInTick } from "../holds/source-holds.ts";
import type { EndedJob } from "../jobs/ended-job.ts";
import type { Gates } from "../judge/gates.ts";
import type { KnownRun } from "../observe/known-run.ts";
import type { PeekedMessage } from "../run/message.ts";
import type { Breakers } from "../start/breakers.ts";
import type { HoldOnStart } from "../start/hold-on-start.ts";
import type { Slots } from "../start/slots.ts";

/** One run, and what a tick knows of it so far. */
export interface Item extends KnownRun {
  /** What retires the Job, if a look found it over. */
  readonly ended?: EndedJob | undefined;
  /** Whether this tick has listed the Jobs after it read the rows. Only then an absent Job may be believed to be gone. */
  readonly isListed: boolean;
  readonly slots: Slots;
  readonly breakers: Breakers;
  readonly sources: Pick<SourcesInTick, "looked">;
  /** Says why no Job of a module starts any more, though this tick gave it a slot. */
  readonly holdOnStart: HoldOnStart;
  readonly gates: Gates;
  /** The message, once it was seen deferred. */
  readonly peeked?: PeekedMessage;
}
