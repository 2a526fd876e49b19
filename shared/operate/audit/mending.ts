import type { Dependencies } from "../../dependencies.ts";
import type { Log } from "../../log.ts";
import type { Action } from "../../run/action.ts";

/** What it takes to mend one finding. */
export interface Mending {
  readonly deps: Dependencies;
  /** What goes into the action log with the change of a run's row. */
  readonly action: Action;
  /** Has the finding and the person on every line. */
  readonly log: Log;
  /** Notes it in the action log, before something else is changed than a run's row. */
  readonly note: () => Promise<void>;
}
