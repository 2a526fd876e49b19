import { bodyText } from "../../shared/operate/views/body-text.ts";
import { type JobInCluster, jobYaml } from "../../shared/operate/views/job.ts";
import type { RunShown } from "../../shared/operate/views/run.ts";
import { isDeadLettered, runId } from "../../shared/run/run.ts";
import { commandHere } from "../target/aimed.ts";
import type { TargetFlags } from "../target/flags.ts";
import { shown, withOperator } from "../target/with-operator.ts";
import { plainJson, plainText } from "../text/plain-text.ts";
import { print } from "../text/print.ts";
import { statusWord } from "../text/status-words.ts";
import { styled } from "../text/style.ts";
import { terminalLines } from "../text/table.ts";
import { counted, timeText } from "../text/times.ts";
import { handText, jobStateText } from "./hand-words.ts";
import { eventText, noEventsText, noJobText } from "./job-words.ts";
import { lastErrorText } from "./last-error.ts";
import { known, oneRun } from "./one-run.ts";
import { redrivenText } from "./redriven-text.ts";
import { stepLines } from "./steps.ts";

type JobShown = NonNullable<Extract<RunShown["job"], { readonly found: unknown }>["found"]>;

interface ShowFlags extends TargetFlags {
  readonly output: "table" | "json";
  readonly content?: true;
  readonly job?: true;
}

/** Prints all that is known of a run. */
export async function showRun(id: string, { content, job, ...flags }: ShowFlags): Promise<number> {
  return withOperator(flags, async (operator, { deps }) => {
    const key = await oneRun(operator, id, flags);
    const options = content ? { withContent: true } : {};
    const run = known(await shown("reading row, bus and cluster", operator.show(key, options)), key);
    const whole = job && known(await shown("reading the Job and its events", operator.job(key)), key);
    if (flags.output === "json") print(plainJson({ ...readable(run), ...(whole ? { inCluster: whole } : {}) }, 2));
    else {
      printLines(linesOf(run, deps.clock.now(), flags));
      if (content) printLines(noContentLines(run, flags));
      if (whole) printJob(whole);
    }
    return 0;
  });
}

function printLines(lines: Iterable<readonly [name: string, value: string]>): void {
  for (const [name, value] of lines)
    for (const [index, line] of terminalLines(value, NAME_WIDTH + 1).entries())
      print(`${styled("bold", (index === 0 ? name : "").padEnd(NAME_WIDTH))} ${line}`);
}

/** Prints the events, and below them the Job as YAML, line by line as they are. */
function printJob(whole: JobInCluster): void {
  const { job, events } = whole;
  const noEvents = noEventsText(events);
  const told = "found" in events ? (events.found ?? []) : [];
  const lines = told.map((event) => `${event.at === undefined ? "" : `${timeText(event.at)}  `}${eventText(event)}`);
  printLines(
    (noEvents === undefined ? lines : [noEvents]).map((line, index) => plain(index === 0 ? "events" : "", line)),
  );
  const noJob = noJobText(whole);
  print("");
  if (noJob !== undefined) print(plainText(noJob));
  else if ("found" in job && job.found)
    for (const line of jobYaml(job.found).trimEnd().split("\n")) print(plainText(line));
}

/** Writes the body as text if it is text, and otherwise as base64. */
function readable(shownRun: RunShown): object {
  const message = "found" in shownRun.message ? shownRun.message.found : null;
  if (!message?.content) return shownRun;
  return {
    ...shownRun,
    message: { found: { ...message, content: { ...message.content, ...bodyText(message.content.body) } } },
  };
}

const NAME_WIDTH = 10;

function plain(name: string, text: string): [string, string] {
  return [name, plainText(text)];
}

/** A name and what is said of it, one a line. */
export function* linesOf(shownRun: RunShown, now: number, flags: TargetFlags = {}): Generator<[string, string]> {
  const { run, place, attempt, message, actions } = shownRun;
  const ids = Object.entries({ id: run.messageId, correlation: run.correlationId, subject: run.subject });
  yield plain("run", runId(run));
  yield plain("module", run.module || "(no module takes it)");
  yield plain("status", `${statusWord(run.status)}${place === "closed" ? "" : ` (${PLACE_WORDS[place]})`}`);
  yield plain("attempt", attempt === 0 ? "none has begun" : `${attempt}; ${failuresText(run)}`);
  yield plain("message", ids.flatMap(([name, value]) => (value ? `${name} ${value}` : [])).join(", "));
  yield plain("", messageText(shownRun, flags));
  yield* jobLines(shownRun);
  for (const [index, line] of stepLines(shownRun, now).entries()) yield plain(index === 0 ? "times" : "", line);
  for (const [index, action] of actions.entries()) yield plain(index === 0 ? "by hand" : "", handText(action));
  if (run.lastError !== undefined) yield plain("last error", lastErrorText(run));
  if (run.verdict)
    yield plain(
      "verdict",
      [run.verdict.outcome, run.verdict.reason, run.verdict.description].filter(Boolean).join(": "),
    );
  if ("found" in message && message.found?.content) {
    const { content } = message.found;
    yield plain("properties", plainJson(content.properties));
    const { body, encoding } = bodyText(content.body);
    yield plain(encoding === "utf8" ? "body" : "body (base64)", body);
  }
}

/** Says where the content of a message is that is not in its queue. */
export function noContentLines({ run, message, redriven }: RunShown, flags: TargetFlags = {}): [string, string][] {
  if (!("found" in message) || message.found !== null) return [];
  const isDead = isDeadLettered(run.status) && redriven === undefined;
  return [
    isDead
      ? plain("body", `in the dead letter queue. See: ${commandHere(["dead", "show", runId(run), "--content"], flags)}`)
      : plain("body", "gone with its message"),
  ];
}

const PLACE_WORDS = {
  work: "at work",
  line: "in its module's line",
  later: "it waits for its time",
  held: "held at a gate",
} as const;

function failuresText({ failures, interruptions }: RunShown["run"]): string {
  return `${counted(failures, "failure")}, ${counted(interruptions, "interruption")}`;
}

function messageText({ message, run, redriven }: RunShown, flags: TargetFlags): string {
  if ("unavailable" in message) return `the bus can't be asked: ${message.unavailable}`;
  if (message.found === null) {
    if (!isDeadLettered(run.status)) return "not on the bus any more";
    // Of a letter only its last run says how it is.
    return redriven === undefined
      ? `dead-lettered. See: ${commandHere(["dead", "show", runId(run)], flags)}`
      : `dead-lettered, and ${redrivenText(redriven)}. See: ${commandHere(["runs", "show", redriven.id], flags)}`;
  }
  const { state, bodyBytes, deliveryCount } = message.found;
  const delivered = deliveryCount === undefined ? "" : `, delivered ${counted(deliveryCount, "time")}`;
  return `${state} on the bus, ${counted(bodyBytes, "byte")}${delivered}`;
}

function* jobLines(shownRun: RunShown): Generator<[string, string]> {
  const { job } = shownRun;
  if ("unavailable" in job) yield plain("job", `the cluster can't be asked: ${job.unavailable}`);
  else if (job.found === null) yield plain("job", "none");
  else yield* foundJobLines(job.found, shownRun);
}

function* foundJobLines(job: JobShown, shownRun: RunShown): Generator<[string, string]> {
  const { name, pods } = job;
  yield plain("job", `${name}: ${jobStateText(job, shownRun)}`);
  for (const pod of pods) {
    const node = pod.node === undefined ? "" : ` on ${pod.node}`;
    const reason = pod.reason === undefined ? "" : ` (${pod.reason})`;
    yield plain("pod", `${pod.name}: ${pod.phase}${reason}${node}`);
    for (const { name: container, state, exitCode, reason: because } of pod.containers) {
      const code = exitCode === undefined ? "" : ` with code ${exitCode}`;
      yield plain("", `${container}: ${state}${code}${because === undefined ? "" : ` (${because})`}`);
    }
  }
}
