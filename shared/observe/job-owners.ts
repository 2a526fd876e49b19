import type { StoredRun } from "../ports/run-table.ts";
import { keyOf, type RunKey } from "../run/run.ts";
import type { EventReader } from "../telemetry/events.ts";

/**
 * Which runs the Jobs at work belong to, by what this process has read and done last. A watch names a Job and not its
 * run, and to read that from the Job would be a request for each of them.
 *
 * These are hints, not state. Whoever finds no run by them, or one that has another Job by now, reads the Job.
 */
export interface JobOwners {
  ownerOf(jobName: string): RunKey | undefined;
  /** Notes the Jobs that this process starts or adopts. */
  readonly note: EventReader;
  /** Takes the runs at work as a tick has read them. A Job of which neither they nor a later event speaks is forgotten. */
  keep(atWork: readonly StoredRun[]): void;
}

/** A replica that does not tick forgets nothing otherwise, and one that does has read the rows of as many Jobs. */
const MOST_NOTED = 10_000;

export function makeJobOwners(): JobOwners {
  // Only the keys are kept, because a run takes more memory.
  let read: ReadonlyMap<string, RunKey> = new Map();
  // A tick may have read its rows before a Job was noted, and be taken in after it. So its notes last for one tick more.
  let notedBefore: ReadonlyMap<string, RunKey> = new Map();
  let noted = new Map<string, RunKey>();
  return {
    ownerOf: (jobName) => read.get(jobName) ?? noted.get(jobName) ?? notedBefore.get(jobName),
    note(event) {
      if (event.event !== "dispatched" && event.event !== "adopted") return;
      const { run } = event;
      if (run.jobName === undefined) return;
      if (noted.size >= MOST_NOTED) forget();
      noted.set(run.jobName, keyOf(run));
    },
    keep(atWork) {
      const owners = new Map<string, RunKey>();
      for (const { run } of atWork) if (run.jobName !== undefined) owners.set(run.jobName, keyOf(run));
      read = owners;
      forget();
    },
  };

  function forget(): void {
    [notedBefore, noted] = [noted, new Map()];
  }
}
