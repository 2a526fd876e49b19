import type { Dependencies } from "../dependencies.ts";
import { type Judgement, judge } from "../judge/judge.ts";
import type { LetterFacts, LetterRun } from "../ports/run-table.ts";
import { keyOnLetter, nameOfRun, notedLetter } from "../run/dead-letter.ts";
import type { PeekedMessage } from "../run/message.ts";
import type { LetterHindrance, Redrive } from "../run/redrive.ts";
import type { ClosedRun, RunKey } from "../run/run.ts";
import type { Source } from "../run/source.ts";
import { exitCodeOn, isOfAnother, withoutLetterStamps } from "../run/stamp.ts";

/** A dead letter on the bus, with what the rows and today's module files say of it. */
export interface SeenLetter<Message extends PeekedMessage = PeekedMessage> {
  readonly letter: Message;
  /** The message as its sender wrote it. It does not expire any more. */
  readonly message: PeekedMessage;
  /** The run as which it was first accepted, or would have been. */
  readonly original: RunKey;
  /** Its last run; undefined if the table knows none. */
  readonly run: LetterRun | undefined;
  readonly judgement: Judgement;
  /** Why it can't be redriven. */
  readonly hindrance: LetterHindrance | undefined;
}

interface LetterDependencies extends Pick<Dependencies, "modules"> {
  readonly table: Pick<Dependencies["table"], "letterRuns">;
  readonly instanceTable: Pick<Dependencies["instanceTable"], "owner">;
}

/** Looks up what the rows know of letters of a source, and judges them. Rejects with an UnavailableError. */
export async function seeLetters<Message extends PeekedMessage>(
  { table, instanceTable, modules }: LetterDependencies,
  source: Source,
  letters: readonly Message[],
): Promise<SeenLetter<Message>[]> {
  const owner = await instanceTable.owner();
  const keyed = letters.map((letter) => ({ letter, original: keyOnLetter(source, letter, owner) }));
  const runs = await table.letterRuns(
    source,
    keyed.map(({ original }) => original),
  );
  return keyed.map(({ letter, original }) => {
    const run = runs.get(nameOfRun(original));
    const { expiresAt: _, ...message } = withoutLetterStamps(letter);
    const judgement = judge(modules.values(), source, message);
    return { letter, message, original, run, judgement, hindrance: hindranceOf({ letter, run, judgement }, owner) };
  });
}

function hindranceOf(
  { letter, run, judgement }: Pick<SeenLetter, "letter" | "run" | "judgement">,
  owner: string,
): LetterHindrance | undefined {
  if (isOfAnother(letter, owner)) return "another instance";
  if (run?.kind === "newer") return "newer release";
  if (run?.kind === "open") return "at work";
  if (run?.run.status === "succeeded") return "work done";
  if (judgement.fits) return undefined;
  return judgement.module === "" ? "no module" : "schema";
}

/**
 * Whether a letter was claimed by a process that died before it deferred it. Whoever receives it makes up for that; if
 * nobody does, a tick withdraws its run.
 */
export function isHalfClaimed({ letter, run }: SeenLetter): boolean {
  // guard: half-claimed
  return letter.state === "active" && run?.kind === "open" && run.redrive > 0;
}

/** Whether a letter is one of those that are to be redriven, hindered or not. */
export function isWanted(seen: SeenLetter, { wanted, orderedAt }: Pick<Redrive, "wanted" | "orderedAt">): boolean {
  const { letter, original, run, judgement } = seen;
  const closed = run?.kind === "closed" ? run.run : undefined;
  const noted = run?.kind === "closed" ? (run.letter ?? factsOf(run.run)) : undefined;
  const at = closed?.closedAt ?? letter.enqueuedAt;
  const { module, reason, group, exitCode, messageIds, runs, since, until } = wanted;
  const judged = judgement.fits ? judgement.module.name : judgement.module;
  return (
    at <= orderedAt &&
    (module === undefined || module === (closed?.module ?? judged)) &&
    (reason === undefined || reason === (noted?.reason ?? letter.properties["DeadLetterReason"])) &&
    (group === undefined || group === noted?.group) &&
    (exitCode === undefined || (closed !== undefined && exitCode === exitCodeOf(closed, letter))) &&
    (messageIds === undefined || messageIds.includes(letter.messageId ?? "")) &&
    (runs === undefined || runs.includes(nameOfRun(original))) &&
    (since === undefined || at >= since) &&
    (until === undefined || at < until)
  );
}

/** The exit code of a letter's last attempt. A withdrawn run had none, and the letter says what it said before. */
function exitCodeOf({ status, verdict }: ClosedRun, letter: PeekedMessage): number | undefined {
  return status === "withdrawn" ? exitCodeOn(letter) : verdict?.exitCode;
}

/** Notes the letter of a run of a release that noted none. */
function factsOf(run: ClosedRun): LetterFacts | undefined {
  const letter = notedLetter(run);
  return letter && { ...letter, group: letter.group.id };
}
