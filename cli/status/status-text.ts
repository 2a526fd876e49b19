import type { Status } from "../../shared/operate/views/status.ts";
import { doneAndFailed, paceOf } from "../../shared/run/recent-ends.ts";
import { sourceName } from "../../shared/run/source.ts";
import { aimedSentence, commandHere } from "../target/aimed.ts";
import type { TargetFlags } from "../target/flags.ts";
import { limitText } from "../text/limit-text.ts";
import { plainText } from "../text/plain-text.ts";
import { styled } from "../text/style.ts";
import { type Column, tableText, terminalLines } from "../text/table.ts";
import { counted, countText, lengthText, perMinuteText, timeText, tookText } from "../text/times.ts";

type ModuleStatus = Status["modules"][number];
type Problem = Status["problems"][number];

/** What stands before the words of a problem is so wide. */
const MARK_WIDTH = 4;

/** Writes the status for people: whose it is, a line for each module, and a line for everything that is wrong. */
export function statusText(status: Status, flags: TargetFlags = {}): string {
  const { instance, namespace, at, tick, ticker, modules, redrives, problems } = status;
  const ticked = tick
    ? `ticked ${lengthText(tick.ageMs)} ago${ticker === undefined ? "" : ` by ${ticker}`}`
    : "no tick yet";
  const wrong = problems.flatMap((problem) =>
    terminalLines(plainText(aimedSentence(problemText(problem, at), flags)), MARK_WIDTH).map(
      (line, index) => `${index === 0 ? `  ${styled("red", "!")} ` : " ".repeat(MARK_WIDTH)}${line}`,
    ),
  );
  const failed = modules.reduce((total, { ends }) => total + doneAndFailed(ends).failed, 0);
  return [
    plainText(`instance ${instance}, Jobs in namespace ${namespace}`),
    plainText(ticked),
    "",
    tableText(columnsAt(at), modules),
    "",
    ...redrives.flatMap((redrive) => terminalLines(plainText(redriveText(redrive, at)))),
    ...(wrong.length > 0 ? ["What is wrong:", ...wrong] : []),
    ...(failed > 0
      ? [`${counted(failed, "run")} failed in the last hour. See: ${commandHere(["dead", "groups"], flags)}`]
      : []),
    ...(wrong.length === 0 && failed === 0 ? [styled("green", "nothing is wrong")] : []),
  ].join("\n");
}

function redriveText({ source, redriven, who, orderedAt }: Status["redrives"][number], now: number): string {
  return `redriving dead letters of ${sourceName(source)}: ${redriven} so far, ordered by ${who} ${lengthText(now - orderedAt)} ago`;
}

function columnsAt(now: number): readonly Column<ModuleStatus>[] {
  return [
    { head: "MODULE", text: ({ module }) => module || "(no module)", least: 12 },
    { head: "AT WORK", text: ({ atWork }) => (atWork ? String(sum(atWork.byStatus)) : "?") },
    { head: "SLOTS", text: ({ slots }) => (slots === undefined ? "-" : String(slots)), drop: 1 },
    { head: "IN LINE", text: ({ inLine }) => shortCount(inLine) },
    { head: "LATER", text: ({ later }) => shortCount(later) },
    { head: "HELD", text: ({ held }) => shortCount(held) },
    { head: "OLDEST", text: ({ oldestAt }) => (oldestAt === undefined ? "-" : lengthText(now - oldestAt)), drop: 2 },
    { head: "A MINUTE", text: ({ ends }) => rateText(ends, now), drop: 3 },
    { head: "JOB P50", text: ({ took: { job } }) => (job ? tookText(job.medianMs) : "-"), drop: 4 },
    { head: "P95", text: ({ took: { job } }) => (job ? tookText(job.p95Ms) : "-"), drop: 5 },
    { head: "DONE", text: ({ ends }) => String(doneAndFailed(ends).done) },
    { head: "FAILED", text: ({ ends }) => String(doneAndFailed(ends).failed) },
    { head: "STATE", text: (module) => stateText(module), wraps: true },
  ];
}

/** How many runs of a module ended in a minute, at the pace of the last hour. */
function rateText(ends: ModuleStatus["ends"], now: number): string {
  const { eachMs } = paceOf(ends, now);
  return eachMs === undefined ? "-" : perMinuteText(eachMs);
}

/** Said of a trip while the file of its module is wrong: the row names the template that it is of. */
const UNLESS_CHANGED = ", unless its template has changed since";

/** What a person or the Dispatcher decided about a module, and why its runs wait for their time. */
function stateText({
  limit,
  trip,
  gate,
  source,
  slots,
  fileMistakes,
  isOtherForm,
  later,
  module,
  atWork,
}: ModuleStatus): string {
  const causes = Object.entries(later.causes).map(([cause, count]) => `${cause} ${count}`);
  const heldUp = Object.entries(atWork?.heldUpBy ?? {}).map(([cause, count]) => `${cause} ${count}`);
  const states = [
    ...(limit ? [limitText(limit)] : []),
    ...(trip ? [`tripped${fileMistakes.length > 0 ? UNLESS_CHANGED : ""}: ${trip.why}`] : []),
    ...(gate ? [`gate shut: ${gate.problem}`] : []),
    ...(fileMistakes.length > 0 ? ["its file on disk is wrong"] : []),
    ...(isOtherForm ? ["the running Dispatcher has another form of its file"] : []),
    ...(isFileGone({ source, slots, fileMistakes, module }) ? ["its file is gone"] : []),
    ...causes,
    ...heldUp,
  ];
  return states.join(", ");
}

/** Whether no module file names a module whose messages a source still has. */
export function isFileGone({
  module,
  source,
  slots,
  fileMistakes,
}: Pick<ModuleStatus, "module" | "source" | "slots" | "fileMistakes">): boolean {
  return slots === undefined && fileMistakes.length === 0 && source !== undefined && module !== "";
}

export function problemText(problem: Problem, now: number): string {
  const ago = (since: number | undefined) => (since === undefined ? "" : ` for ${lengthText(now - since)}`);
  switch (problem.kind) {
    case "no tick": {
      const last = problem.lastAt === undefined ? "ever" : `since ${timeText(problem.lastAt)}`;
      return `no tick came to its end ${last}, so nothing is retried or settled. See whether a replica runs`;
    }
    case "cluster unavailable":
      return `the cluster can't be asked: ${problem.detail}`;
    case "cluster held":
      return `nothing starts${ago(problem.since)}, because of the cluster (${problem.because}). See: dispatcher audit`;
    case "source held":
      return `${sourceName(problem.source)} is held${ago(problem.since)} (${problem.because}). See: dispatcher audit`;
    case "gate shut":
      return `gate ${problem.gate} is shut${ago(problem.since)}: ${problem.problem}. See: dispatcher audit`;
    case "module tripped":
      return `module ${problem.module} is tripped${ago(problem.since)}${problem.isFileWrong ? UNLESS_CHANGED : ""}: ${problem.why}`;
    case "module removed":
      return `runs of module ${problem.module} wait, and its file is gone. Deploy it again, or cancel them`;
    case "file wrong":
      return `the file of module ${problem.module} is wrong: ${problem.mistakes.join("; ")}. The running Dispatcher goes on with the form that it read before, and would not start with this one. Mend the file`;
    case "overdue":
      return `${problem.count} Jobs are past their time limit and not over. See: dispatcher audit`;
    case "orphans":
      return `${orphansText(problem)} to no run. See: dispatcher audit`;
    case "undelivered":
      return `${problem.count} sources deliver nothing, though a message is older than 15 minutes`;
    case "not started":
      return `${problem.count} Jobs have not started for longer than their startTimeout`;
    case "failed":
      return `${problem.count} steps of the last tick failed and are tried again. The log says why`;
    case "postponed":
      return `the last tick had no time for ${problem.count} runs`;
    default:
      return problem satisfies never;
  }
}

/** Says of deferred messages and Jobs that they belong, for example "2 deferred messages and a Job belong". */
function orphansText({ count, jobs }: Extract<Problem, { readonly kind: "orphans" }>): string {
  const belong = count === 1 ? "belongs" : "belong";
  if (jobs === undefined)
    return `${count === 1 ? "a deferred message or Job" : `${count} deferred messages or Jobs`} ${belong}`;
  const messages = count - jobs;
  const kinds = [
    ...(messages > 0 ? [some(messages, "deferred message")] : []),
    ...(jobs > 0 ? [some(jobs, "Job")] : []),
  ];
  return `${kinds.join(" and ")} ${belong}`;
}

function some(number: number, thing: string): string {
  return number === 1 ? `a ${thing}` : counted(number, thing);
}

function shortCount(count: { readonly count: number; readonly isMore: boolean }): string {
  return count.isMore ? `${count.count}+` : countText(count);
}

function sum(counts: Readonly<Record<string, number | undefined>>): number {
  return Object.values(counts).reduce<number>((total, count) => total + (count ?? 0), 0);
}
