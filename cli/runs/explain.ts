import type { Explanation } from "../../shared/operate/views/explain.ts";
import { attemptsHad, type ClosedStatus, runId } from "../../shared/run/run.ts";
import { aimedSentence } from "../target/aimed.ts";
import type { TargetFlags } from "../target/flags.ts";
import { shown, withOperator } from "../target/with-operator.ts";
import { CAUSES } from "../text/causes.ts";
import { limitText } from "../text/limit-text.ts";
import { plainJson } from "../text/plain-text.ts";
import { print, printText } from "../text/print.ts";
import { statusWord } from "../text/status-words.ts";
import { counted, countText, lengthsText, lengthText, timeText, tookText } from "../text/times.ts";
import { handText } from "./hand-words.ts";
import { known, oneRun } from "./one-run.ts";
import { redrivenText } from "./redriven-text.ts";

const OUTCOMES: Readonly<Record<ClosedStatus, string>> = {
  succeeded: "its message was completed",
  failed: "its message was dead-lettered",
  rejected: "its message was dead-lettered, because it can never work",
  cancelled: "a person cancelled it, and its message was dead-lettered",
  lost: "its message was gone from the bus",
  withdrawn: "its dead letter lies where it lay, and can be redriven again",
};

/** The causes for which a run does not wait, because its Job is there. */
const AT_WORK: ReadonlySet<string> = new Set(["job-at-work", "job-terminating"]);

/** An estimate from fewer ends than these is easily wrong by two. */
const FEW_ENDS = 10;

type Estimate = NonNullable<NonNullable<Open["waitsFor"]>["estimate"]>;
type Closed = Extract<Explanation, { readonly kind: "closed" }>;
type Open = Extract<Explanation, { readonly kind: "open" }>;

/** Says why a run is where it is, and what comes next. */
export async function explainRun(
  id: string,
  flags: TargetFlags & { readonly output: "table" | "json" },
): Promise<number> {
  return withOperator(flags, async (operator) => {
    const key = await oneRun(operator, id, flags);
    const explanation = known(await shown("looking at row, bus and cluster", operator.explain(key)), key);
    if (flags.output === "json") print(plainJson(explanation, 2));
    else for (const line of sentencesOf(explanation)) printText(aimedSentence(line, flags));
    return 0;
  });
}

/** The explanation in sentences, one a line. `isShort`: without what was seen to decide by. */
export function sentencesOf(explanation: Explanation, { isShort = false } = {}): string[] {
  return explanation.kind === "closed" ? closedSentences(explanation) : [...openSentences(explanation, isShort)];
}

function closedSentences({ run, redriven, actions }: Closed): string[] {
  const { verdict } = run;
  const why = [verdict?.reason, verdict?.description].filter(Boolean).join(": ");
  return [
    `${runId(run)} is over since ${timeText(run.closedAt)}: ${OUTCOMES[run.status]}, ${lengthText(run.closedAt - run.enqueuedAt)} after it was enqueued.`,
    `It had ${counted(attemptsHad(run), "attempt")}, ${counted(run.failures, "failure")} and ${counted(run.interruptions, "interruption")}.`,
    ...(why === "" ? [] : [`The reason was ${why}`]),
    ...actions.map((action) => `By hand: ${handText(action)}`),
    ...(redriven === undefined ? [] : [`It was ${redrivenText(redriven)}.`]),
  ];
}

function* openSentences(explained: Open, isShort: boolean): Generator<string> {
  const { run, at, decision, keptBack, waitsFor, unavailable, actions, usually } = explained;
  const when = run.status === "waiting" || run.status === "held" ? "before" : "at";
  yield `${runId(run)} is ${statusWord(run.status)}, ${when} attempt ${run.attempt} of module ${run.module || "(none)"}.`;
  if (waitsFor) yield* waitSentences(waitsFor, at);
  else yield `Nothing keeps it: the next tick goes on with it (${decision.do}).`;
  if (usually) yield usualText(run, usually, at);
  if (keptBack) yield keptBackText(keptBack);
  if (run.lastError !== undefined) yield `Its last error was: ${run.lastError}`;
  for (const action of actions) yield `By hand: ${handText(action)}`;
  if (!isShort) yield seenText(explained);
  if (unavailable !== undefined) yield `Not all could be seen: ${unavailable}`;
}

/** Says what was seen, and what a tick makes of it. */
function seenText({ facts, rule, decision }: Open): string {
  const seen = [
    `Job ${facts.jobName} is ${facts.job.phase}`,
    ...(facts.message === undefined ? [] : [`its message is ${facts.message}`]),
    ...(facts.slot === undefined ? [] : [facts.slot.start ? "a slot is free" : CAUSES[facts.slot.cause]]),
    ...(facts.cancelled ? ["a person cancelled it"] : []),
  ];
  const next = decision.do === "leave" ? "leaves it as it is" : `does this: ${decision.do}`;
  return `What was seen: ${seen.join(", ")}. A tick that sees this ${next} (rule ${rule}).`;
}

function* waitSentences(wait: NonNullable<Open["waitsFor"]>, now: number): Generator<string> {
  const until = wait.until === undefined ? "" : `, until ${timeText(wait.until)} (in ${lengthText(wait.until - now)})`;
  if (AT_WORK.has(wait.cause)) yield `${upper(CAUSES[wait.cause])}${until}. It waits for nothing else.`;
  else yield `It waits because ${CAUSES[wait.cause]} (${wait.cause})${until}.`;
  if (wait.limit) yield `Its module is ${limitText(wait.limit)}.`;
  if (wait.ahead) yield `Ahead of it in its module's line: ${countText(wait.ahead)}.`;
  if (wait.estimate) yield estimateText(wait.estimate);
}

/** How long its Job exists, beside how long those of its module took. */
function usualText(run: Open["run"], { count, medianMs, p95Ms }: NonNullable<Open["usually"]>, now: number): string {
  const own = run.dispatchedAt === undefined ? "" : `Its Job was created ${lengthText(now - run.dispatchedAt)} ago. `;
  return `${own}In the last hour ${counted(count, "Job")} of its module ended: half of them within ${tookText(medianMs)}, 95 of 100 within ${tookText(p95Ms)}.`;
}

function upper(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function estimateText({ ms, leastMs = ms, isMore, closed, since, jobs }: Estimate): string {
  if (ms === undefined || leastMs === undefined)
    return "When its turn comes can't be said yet, because no Job of its module has ended in the last hour.";
  const sure = closed < FEW_ENDS ? ", too few to be sure: it may take half or twice as long" : "";
  const by =
    jobs === undefined
      ? "if its module goes on as it did"
      : `by the ages of ${theJobs(jobs)} at work, if they take as long as those did that ended`;
  return `Its turn comes ${turnText(leastMs, ms, isMore)}, ${by} since ${timeText(since)}: ${counted(closed, "run")} closed${sure}.`;
}

function theJobs(jobs: number): string {
  return jobs === 1 ? "the Job" : `the ${jobs} Jobs`;
}

function turnText(leastMs: number, ms: number, isMore: boolean): string {
  if (isMore) return `in ${lengthText(leastMs)} or more`;
  if (leastMs < 1000) return `within ${ms < 1000 ? "a second" : lengthText(ms)}`;
  return `in about ${lengthsText(leastMs, ms)}`;
}

function keptBackText(keptBack: NonNullable<Open["keptBack"]>): string {
  switch (keptBack.cause) {
    case "wrong-cluster":
      return `Ticks leave it alone because of the cluster (${keptBack.because}). See: dispatcher audit`;
    case "source-held": {
      const since = keptBack.since === undefined ? "" : ` since ${timeText(keptBack.since)}`;
      return `Ticks leave it alone because its source is held${since} (${keptBack.because}). See: dispatcher audit`;
    }
    case "held":
      return `It stands at gate ${keptBack.gate}, shut since ${timeText(keptBack.since)}. The last that was rejected: ${keptBack.problem}`;
    default:
      return keptBack satisfies never;
  }
}
