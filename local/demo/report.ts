import { createLogUpdate } from "log-update";
import { sourceName } from "../../shared/run/source.ts";
import { attemptsOf, isClosed, outcomeOf, type Progress } from "./follow-runs.ts";
import type { Result } from "./judge.ts";

/** Shows the demo while it runs and when it is over. */
export interface Report {
  say(line: string): void;
  progress(all: readonly Progress[]): void;
  results(results: readonly Result[], surprises: readonly string[]): void;
}

/** The width of the last table where there is no terminal that is narrower. */
const WIDTH = 100;

const ALL_WELL =
  "Every message ended as expected. The queues and subscriptions are empty, and each dead-lettered message is in its dead letter queue. To send messages of your own, run: npm start";

/** The facts of a message in a line of JSON, in this order. */
const FACTS = [
  "messageId",
  "sequenceNumber",
  "source",
  "module",
  "outcome",
  "reason",
  "description",
  "attempts",
  "jobs",
  "seconds",
];

/**
 * Reports to programs. Stdout gets only JSON, one object a line: each message when all have ended, and the summary
 * last. Problems go to stderr.
 */
export function jsonReport(): Report {
  return {
    say: () => {},
    progress: () => {},
    results(results, surprises) {
      for (const result of results) print(JSON.stringify(result, FACTS));
      print(JSON.stringify({ summary: summaryOf(results) }));
      for (const problem of problemsOf(results, surprises)) process.stderr.write(`${problem}\n`);
    },
  };
}

/** Reports to people, with a table that redraws on a terminal, and otherwise with a line for each change. */
export function textReport(stream: NodeJS.WriteStream): Report {
  const live = stream.isTTY ? createLogUpdate(stream) : undefined;
  const seen = new Map<number, string>();
  const say = (line: string) => void stream.write(`${line}\n`);
  const width = () => (stream.isTTY ? Math.min(stream.columns, WIDTH) : WIDTH);
  return {
    say: (line) => say(stream.isTTY ? wrappedLines(line, width()) : line),
    progress(all) {
      if (live) live(cropped(tableOf([["MESSAGE", "SOURCE:NUMBER", "STATE"], ...all.map(rowOf)]), stream.columns));
      else for (const line of changes(all, seen)) say(line);
    },
    results(results, surprises) {
      // The table of results takes the place of the table of states.
      live?.clear();
      live?.done();
      say(`\n${endTable(results, width())}\n`);
      const { sent, completed, deadLettered, lost } = summaryOf(results);
      say(`${sent} sent, ${completed} completed, ${deadLettered} dead-lettered, ${lost} lost`);
      const problems = problemsOf(results, surprises);
      for (const problem of problems) say(problem);
      if (problems.length === 0) say(wrappedLines(ALL_WELL, width()));
    },
  };
}

/**
 * The counts of the last line. A message is lost if it was neither completed nor dead-lettered, and is not on the bus
 * any more.
 */
export function summaryOf(results: readonly Result[]) {
  const count = (outcome: Result["outcome"]) => results.filter((result) => result.outcome === outcome).length;
  return {
    sent: results.length,
    completed: count("completed"),
    deadLettered: count("dead-lettered"),
    lost: count("lost"),
  };
}

/** A sentence for each thing that is not as expected. */
export function problemsOf(results: readonly Result[], surprises: readonly string[]): string[] {
  return [
    ...results.flatMap(({ title, messageId, problems }) =>
      problems.map((problem) => `NOT AS EXPECTED in "${title}" (${messageId}): ${problem}`),
    ),
    ...surprises.map((surprise) => `NOT AS EXPECTED: ${surprise}`),
  ];
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function changes(all: readonly Progress[], seen: Map<number, string>): string[] {
  return all.flatMap((one, index) => {
    const [title = "", message = "", state = ""] = rowOf(one);
    if (seen.get(index) === state) return [];
    seen.set(index, state);
    return [`${title.padEnd(36)} ${message.padEnd(28)} ${state}`];
  });
}

function rowOf({ sent, run }: Progress): string[] {
  return [sent.sample.title, `${sourceName(sent.key.source)}:${sent.key.sequenceNumber}`, stateOf(run)];
}

function stateOf(run: Progress["run"]): string {
  if (!run) return "on the bus";
  if (isClosed(run)) {
    const why = run.verdict?.reason === undefined ? "" : `, ${run.verdict.reason}`;
    return `${outcomeOf(run.status)}${why}, ${jobs(attemptsOf(run))}`;
  }
  const attempt = `attempt ${run.attempt}`;
  switch (run.status) {
    case "accepted":
      return "accepted";
    case "held":
      return "held";
    case "waiting":
      return `waits for the Job of ${attempt}`;
    case "dispatched":
      return `${attempt}: Job ${run.jobName ?? ""}`;
    case "requeueing":
      return `attempt ${run.attempt - 1} ended, ${attempt} follows`;
    case "settling":
      return `${run.verdict?.outcome ?? ""}, the message is being settled`;
    default:
      return run satisfies never;
  }
}

/** A row for each message, and below it the reason of a dead letter. No line is wider than so many columns. */
function endTable(results: readonly Result[], columns: number): string {
  const cells = [
    ["MESSAGE", "SOURCE:NUMBER", "OUTCOME", "JOBS", "TIME"],
    ...results.map(({ title, source, sequenceNumber, outcome, attempts, seconds }) => [
      title,
      `${source}:${sequenceNumber}`,
      outcome,
      jobs(attempts),
      `${seconds.toFixed(1)} s`,
    ]),
  ];
  const excess = Math.max(
    0,
    ...tableOf(cells)
      .split("\n")
      .map((row) => row.length - columns),
  );
  const longest = Math.max(...cells.map(([title = ""]) => title.length));
  const narrowed = cells.map(([title = "", ...rest]) => [cropped(title, longest - excess), ...rest]);
  const [header = "", ...rows] = tableOf(narrowed).split("\n");
  const reasons = results.map(({ reason, description }) =>
    reason === null ? [] : [`  ${wrapped(`${reason}: ${description}`, columns - 2).join("\n  ")}`],
  );
  return [header, ...rows.flatMap((row, index) => [row, ...(reasons[index] ?? [])])].join("\n");
}

/** The text in lines of at most so many characters, unless a single word is longer. */
function wrapped(text: string, width: number): string[] {
  return text.match(new RegExp(`\\S.{0,${width - 1}}(?=\\s|$)|\\S+`, "g")) ?? [];
}

/** The text with each of its lines in lines of at most so many characters. */
function wrappedLines(text: string, width: number): string {
  return text
    .split("\n")
    .flatMap((line) => (line === "" ? [""] : wrapped(line, width)))
    .join("\n");
}

/** The text with each line cut to so many characters. A terminal would wrap it, and a redrawn table would come apart. */
function cropped(text: string, width: number): string {
  return text
    .split("\n")
    .map((line) => (line.length > width ? `${line.slice(0, width - 1)}…` : line))
    .join("\n");
}

function jobs(count: number): string {
  return count === 1 ? "1 Job" : `${count} Jobs`;
}

function tableOf(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
