import type { RunShown } from "../../shared/operate/views/run.ts";
import { type Happening, MOST_ENTRIES, type TimelineEntry } from "../../shared/run/timeline.ts";
import { lengthText, timeText } from "../text/times.ts";

/** One thing that happened, and when. */
interface Step {
  readonly at: number;
  readonly words: string;
  readonly cause?: string | undefined;
}

/**
 * Writes what happened to a run, a line each, with how long it took from the line before: what its row noted of all
 * attempts, and what the cluster shows of the last one.
 */
export function stepLines(shown: Pick<RunShown, "times" | "timeline" | "attempt">, now: number): string[] {
  const { enqueuedAt } = shown.times;
  // The clocks of bus and table may differ a little, and nothing was before the message.
  const others = [...noted(shown), ...seen(shown)].map((step) => ({ ...step, at: Math.max(step.at, enqueuedAt) }));
  const steps: readonly Step[] = [{ at: enqueuedAt, words: "enqueued" }, ...others.toSorted((a, b) => a.at - b.at)];
  return steps.map(({ at, words, cause }, index) => {
    const before = steps[index - 1];
    const since = before === undefined ? `${lengthText(now - at)} ago` : `+${spanText(at - before.at)}`;
    return `${timeText(at)}  ${words} (${since})${cause === undefined ? "" : `: ${cause}`}`;
  });
}

/** What the row notes: whole if this release wrote it from the beginning, and otherwise a few times. */
function* noted({ times, timeline, attempt }: Pick<RunShown, "times" | "timeline" | "attempt">): Generator<Step> {
  const [first] = timeline;
  // An older release accepted it.
  if (!["accepted", "redriven", "held", "rejected"].includes(first?.what ?? ""))
    yield { at: times.acceptedAt, words: "accepted" };
  const isCreated = timeline.some((entry) => entry.what === "job-created" && entry.attempt === attempt);
  if (times.jobCreatedAt !== undefined && !isCreated) yield { at: times.jobCreatedAt, words: "Job created" };
  for (const [index, entry] of timeline.entries()) {
    if (index === 1 && timeline.length === MOST_ENTRIES)
      yield { at: entry.at, words: `here some may be left out, because only ${MOST_ENTRIES} are kept` };
    yield { at: entry.at, words: whatOf(entry), cause: entry.cause };
  }
  const last = timeline.at(-1)?.what;
  if (times.closedAt !== undefined && last !== "closed" && last !== "lost")
    yield { at: times.closedAt, words: "closed" };
}

/** What the cluster shows of the last attempt, in whole seconds: nothing of it was before the Job. */
function* seen({ times, timeline, attempt }: Pick<RunShown, "times" | "timeline" | "attempt">): Generator<Step> {
  const created = timeline.find((entry) => entry.what === "job-created" && entry.attempt === attempt)?.at;
  let least = created ?? times.jobCreatedAt ?? 0;
  for (const [at, words] of [
    [times.podStartedAt, "pod started"],
    [times.workStartedAt, "work began"],
    [times.workEndedAt, "work ended"],
    [times.jobEndedAt, "Job ended"],
  ] as const) {
    if (at === undefined) continue;
    least = Math.max(least, at);
    yield { at: least, words };
  }
}

/** Says what happened, and why. */
export function wordsOf(entry: TimelineEntry): string {
  return entry.cause === undefined ? whatOf(entry) : `${whatOf(entry)}: ${entry.cause}`;
}

function whatOf({ what, attempt }: TimelineEntry): string {
  return isHappening(what) ? WORDS[what](attempt) : what;
}

function isHappening(what: string): what is Happening {
  return Object.hasOwn(WORDS, what);
}

const WORDS: Readonly<Record<Happening, (attempt: number) => string>> = {
  accepted: () => "accepted",
  redriven: () => "redriven from the dead letter queue",
  held: () => "held at a gate",
  rejected: () => "rejected",
  waiting: (attempt) => `attempt ${attempt} waits`,
  "put-off": (attempt) => `attempt ${attempt} could not start, and was put off`,
  "job-created": (attempt) => `attempt ${attempt}: Job created`,
  "held-up": (attempt) => `attempt ${attempt}: the Job can't start`,
  freed: (attempt) => `attempt ${attempt}: the Job can start`,
  "end-ordered": (attempt) => `attempt ${attempt} is to end`,
  "attempt-ended": (attempt) => `attempt ${attempt} ended`,
  unseen: () => "the bus did not show its message",
  busy: () => "its message was busy",
  succeeded: (attempt) => `attempt ${attempt} succeeded`,
  failed: () => "failed",
  cancelled: () => "cancelled",
  lost: () => "lost",
  withdrawn: () => "withdrawn, and its dead letter left where it lay",
  closed: () => "closed",
  reopened: () => "opened again, because its message turned up",
};

/** Says how long it took, to a tenth of a second if it was short. */
function spanText(ms: number): string {
  return ms < 100_000 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : lengthText(ms);
}
