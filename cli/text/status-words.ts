import { CLOSED_STATUSES, type ClosedStatus, OPEN_STATUSES, type OpenStatus } from "../../shared/run/run.ts";

type Status = OpenStatus | ClosedStatus;
/** What people call a status: a run whose Job exists is running. */
type StatusWord = Exclude<Status, "dispatched"> | "running";

/** Writes a status for people. */
export function statusWord(status: Status): StatusWord {
  return status === "dispatched" ? "running" : status;
}

/** Reads a status as people write it. */
export function statusOf(word: StatusWord): Status {
  return word === "running" ? "dispatched" : word;
}

export const STATUS_WORDS: readonly StatusWord[] = [...OPEN_STATUSES, ...CLOSED_STATUSES].map(statusWord);
