import type { EpochMs } from "../../clock.ts";
import type { LookDependencies } from "../../dependencies.ts";
import { letterOfWithdrawn } from "../../observe/letter-of-withdrawn.ts";
import { sourcesInOrder } from "../../observe/open-runs.ts";
import type { FoundRun, LettersWanted, StoredLetter } from "../../ports/run-table.ts";
import { type NotedLetter, nameOfRun, nameOnLetter, notedLetter } from "../../run/dead-letter.ts";
import type { PeekedMessage, Properties } from "../../run/message.ts";
import { type ClosedRun, type ClosedStatus, type RunKey, runId } from "../../run/run.ts";
import { sourceKey } from "../../run/source.ts";
import { isLetterStamp } from "../../run/stamp.ts";
import { runsNamed } from "../run-named.ts";
import { MOST_SCANNED, ROWS_AT_ONCE } from "./scanning.ts";
import { type Sought, sought } from "./sought.ts";

/** Which dead letters a list has: by default all. */
export interface LettersListed extends Pick<LettersWanted, "module" | "reason" | "group"> {
  /** With which their last attempts ended. */
  readonly exitCode?: number;
  /** Only those whose runs closed from then on. */
  readonly since?: EpochMs;
  /** Only those whose runs closed before. */
  readonly until?: EpochMs;
}

/** A page of dead letters. */
export interface LettersPage {
  readonly letters: readonly NotedLetter[];
  /** How many letters were read for it. A filter that has no key reads more than it shows. */
  readonly scanned: number;
  /** The letter behind which the next page begins. Undefined after the last page. */
  readonly next: NotedLetter | undefined;
}

/**
 * Lists at most `limit` dead letters of all sources: source by source, by module, reason and group, and the newest of
 * each group first. With `after`, only those behind that one. Costs the list of sources, and a request for each source
 * and each 1,000 letters. A reason without its module, or a group without both, is looked for among all letters of the
 * source or the module. Exit code and time have no key: a page has fewer letters, and yet a next page, if it has read
 * 5,000 for them.
 */
export async function deadLetters(
  deps: LookDependencies,
  { exitCode, since, until, ...keyed }: LettersListed,
  { limit, after }: { readonly limit: number; readonly after?: NotedLetter | undefined },
): Promise<LettersPage> {
  const isFiltered = [exitCode, since, until].some((filter) => filter !== undefined);
  const isListed = (letter: NotedLetter) =>
    (exitCode === undefined || letter.exitCode === exitCode) &&
    (since === undefined || letter.closedAt >= since) &&
    (until === undefined || letter.closedAt < until);
  const letters: NotedLetter[] = [];
  let scanned = 0;
  let last = after;
  const place = after && sourceKey(after.source);
  const sources = await sourcesInOrder(deps);
  for (const source of sources) {
    if (place !== undefined && sourceKey(source) < place) continue;
    let behind = sourceKey(source) === place ? after : undefined;
    for (let isMore = true; isMore; ) {
      // One more tells whether another page follows.
      const size = isFiltered ? Math.min(ROWS_AT_ONCE, MOST_SCANNED - scanned) : limit + 1 - letters.length;
      const rows = await deps.table.deadLetters(source, keyed, size, behind);
      for (const letter of rows.map(withoutEtag)) {
        if (letters.length === limit) return { letters, scanned, next: last };
        scanned += 1;
        last = letter;
        behind = letter;
        if (isListed(letter)) letters.push(letter);
      }
      isMore = rows.length === size;
      if (scanned === MOST_SCANNED) return { letters, scanned, next: last };
    }
  }
  return { letters, scanned, next: undefined };
}

/** Gives what is noted of a letter, without what concerns the table alone. */
export function withoutEtag(stored: StoredLetter): NotedLetter {
  const { etag: _, ...letter } = stored;
  return letter;
}

/** A dead letter as a peek shows it. */
export interface LetterOnBus {
  readonly state: PeekedMessage["state"];
  /** What the letter says: its reason and description, and what the Dispatcher stamped on it. */
  readonly stamps: Properties;
  readonly bodyBytes: number;
  /** Only if it was asked for. */
  readonly content?: Pick<PeekedMessage, "body" | "properties" | "contentType">;
}

/** What is known of one dead letter, or why it is none. */
export type DeadLetterFound =
  | {
      readonly kind: "dead letter";
      readonly letter: NotedLetter;
      readonly run: ClosedRun;
      /** Nothing if no letter of this run has its message's number: then a person has most likely taken it out. */
      readonly onBus: Sought<LetterOnBus>;
    }
  /** Neither the modules nor the table know a source by which the id begins. */
  | { readonly kind: "unknown source" }
  /** A queue and a subscription have the same name, and each has such a run. */
  | { readonly kind: "ambiguous name" }
  | { readonly kind: "no such run" }
  /** A newer release wrote the run's row. */
  | { readonly kind: "newer row" }
  /** The run, or the last redrive of its letter, is open, and its message not settled yet. `id`: which of these. */
  | { readonly kind: "open"; readonly id: string }
  /** The run, or the last redrive of its letter, is over, and left no dead letter. `id`: which of these. */
  | { readonly kind: "other end"; readonly status: ClosedStatus; readonly id: string };

/**
 * Shows a dead letter by the id of its run. Costs the list of sources, two requests for each source of that name, one
 * for each time that its redrive was withdrawn since it failed, and one peek. Body and properties are shown only if they
 * are asked for. If the bus is away, the rest is shown.
 */
export async function deadLetter(
  deps: LookDependencies,
  id: string,
  { withContent = false }: { readonly withContent?: boolean } = {},
): Promise<DeadLetterFound> {
  const keys = await runsNamed(deps, id);
  if (keys.length === 0) return { kind: "unknown source" };
  const found = (await Promise.all(keys.map((key) => lastRunOf(deps, key)))).filter(({ kind }) => kind !== "none");
  const [run, another] = found;
  if (another) return { kind: "ambiguous name" };
  if (!run || run.kind === "none") return { kind: "no such run" };
  if (run.kind === "newer") return { kind: "newer row" };
  if (run.kind === "open") return { kind: "open", id: runId(run.stored.run) };
  const letter = notedLetter(run.run) ?? (await letterOfWithdrawn(deps.table, run.run));
  if (!letter) return { kind: "other end", status: run.run.status, id: runId(run.run) };
  return { kind: "dead letter", letter, run: run.run, onBus: await sought(peekAt(deps, letter, withContent)) };
}

/** Finds a run, or the last redrive of its letter if that is another: of one letter only the last run says how it is. */
async function lastRunOf({ table }: LookDependencies, key: RunKey): Promise<FoundRun> {
  const { redrive: _, ...original } = key;
  const last = (await table.letterRuns(key.source, [original])).get(nameOfRun(key));
  if (last?.kind === "closed") return last;
  // Also the run of before redrives, if no more than that is known.
  return table.find(last?.kind === "open" && last.redrive > 0 ? { ...original, redrive: last.redrive } : key);
}

async function peekAt(
  { broker }: LookDependencies,
  letter: NotedLetter,
  withContent: boolean,
): Promise<LetterOnBus | undefined> {
  const { source, sequenceNumber } = letter;
  const message = await broker.peek({ deadLettersOf: source }, sequenceNumber);
  if (!message || nameOnLetter(source, message) !== nameOfRun(letter)) return undefined;
  return onBusOf(message, withContent);
}

/** Says of a dead letter what a view shows of it; body and properties only if they are asked for. */
export function onBusOf({ state, body, properties, contentType }: PeekedMessage, withContent: boolean): LetterOnBus {
  const stamps = Object.fromEntries(Object.entries(properties).filter(([name]) => isLetterStamp(name)));
  const content = { body, properties, ...(contentType === undefined ? {} : { contentType }) };
  return { state, stamps, bodyBytes: body.byteLength, ...(withContent ? { content } : {}) };
}
