import { type Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { positiveDuration, wholeNumber } from "../../shared/command-line.ts";
import { moduleNamed } from "../../shared/run/module-named.ts";
import { OPEN_STATUSES } from "../../shared/run/run.ts";
import { withDoing } from "../doing.ts";
import { end } from "../end.ts";
import { withTarget } from "../target/flags.ts";
import { withJson, withOutput } from "../text/output.ts";
import { STATUS_WORDS, statusOf, statusWord } from "../text/status-words.ts";
import { refuseEmptySpan, timeOrAgo } from "../time-or-ago.ts";

const A_RUN = `
A run is given by its id, such as thumbnails:42:1732400000000, or by the id or the correlation id of
its message, if no other run has the same.`;

/** Adds the subcommands about runs. */
export function addRuns(program: Command): void {
  const runs = program.command("runs").description("Lists, shows and explains runs, and cancels them.");
  addList(runs);
  withJson(withTarget(runs.command("show")))
    .argument("<run>", "its id, or an id of its message")
    .option("--content", "also body and properties of the message, which takes the right to receive from its queue")
    .option("--job", "also its Job as the cluster has it, with the message in it, and the events of Job and pods")
    .description("Shows all that row, bus and cluster know of one run.")
    .addHelpText("after", A_RUN)
    .action((id, flags) => end(async () => (await import("./show.ts")).showRun(id, flags)));
  withJson(withTarget(runs.command("explain")))
    .argument("<run>", "its id, or an id of its message")
    .description("Says why a run is where it is, what it waits for, and what comes next. It changes nothing.")
    .addHelpText("after", A_RUN)
    .action((id, flags) => end(async () => (await import("./explain.ts")).explainRun(id, flags)));
  withTarget(runs.command("logs"))
    .argument("<run>", "its id, or an id of its message")
    .option("-f, --follow", "go on until the run is over")
    .option("--attempt <n>", "of this attempt; without it, of the last one", wholeNumber(1, 100_000))
    .option("--raw", "with the control characters that the worker wrote, for a file")
    .description("Prints what the worker wrote: from its pod while that is there, and then from what was kept.")
    .addHelpText("after", A_RUN)
    .action((id, flags, command) => {
      if (flags.follow && flags.attempt !== undefined) command.error("error: --follow takes no --attempt");
      return end(async () => (await import("./logs.ts")).printLogs(id, flags));
    });
  withTarget(runs.command("wait"))
    .argument("<run>", "its id, or an id of its message")
    .option("--timeout <duration>", "wait no longer than this, such as 10m; 24d at most", timeout)
    .description("Waits until a run is over, and ends by its outcome.")
    .addHelpText(
      "after",
      `${A_RUN}

Ends with 0 if it succeeded, 3 if it failed, 4 if its message was rejected, 5 if it was cancelled,
6 if its message was lost, 7 if it was not over in time, 8 if its redrive was withdrawn, 1 if there
is no such run, 2 for wrong flags.`,
    )
    .action((id, flags) => end(async () => (await import("./wait.ts")).waitFor(id, flags)));
  withDoing(withTarget(runs.command("cancel")))
    .argument("<run...>", "their ids, or ids of their messages")
    .description("Cancels runs, whatever they wait for: a Job at work is ended, the message dead-lettered.")
    .addHelpText("after", A_RUN)
    .action((ids, flags) => end(async () => (await import("./cancel.ts")).cancelRuns(ids, flags)));
  withDoing(withTarget(runs.command("retry")))
    .argument("<run...>", "their ids, or ids of their messages")
    .option("--replica-is-kept", "you keep a replica awake meanwhile: see dead redrive --help")
    .description("Runs the messages of failed runs once more, from the dead letter queue: see dead redrive.")
    .addHelpText("after", A_RUN)
    .action((ids, flags) => end(async () => (await import("../dead/redrive.ts")).retryRuns(ids, flags)));
}

/** Parses how long to wait, as milliseconds. A timer of Node that is set to 2^31 ms or more fires at once. */
function timeout(text: string): number {
  const ms = positiveDuration(text);
  if (ms <= 24 * 86_400_000) return ms;
  throw new InvalidArgumentError("Give 24d at most.");
}

function addList(runs: Command): void {
  withOutput(withTarget(runs.command("ls")))
    .option("--module <name>", "only those of this module; - for messages that no module took", (name) =>
      moduleNamed(name),
    )
    .addOption(new Option("--status <status>", "only those in this status").choices(STATUS_WORDS))
    .option("--source <name>", "only those of this source, as run ids begin with it")
    .option("--closed", "those that are over, and not those that are open")
    .option("--exit-code <n>", "only those that ended with this exit code, which are over", wholeNumber(0, 255))
    .option(
      "--since <time>",
      "only messages enqueued since then: so long ago, such as 2h, or a time; closed ones by default 24h",
      timeOrAgo,
    )
    .option("--until <time>", "only messages enqueued before: so long ago, or a time", timeOrAgo)
    .option("--message-id <id>", "only those of messages that have this id, or this correlation id; open and closed")
    .option("--limit <n>", "so many at most", wholeNumber(1, 10_000), 100)
    .option("--after <place>", "go on where an earlier list ended")
    .option("--last-line", "what each Job that runs wrote last, which is asked of the cluster")
    .description("Lists runs: those that are open, or those that are over.")
    .addHelpText(
      "after",
      `
Open runs come in the order in which they go on: those at work, in line, for later, and held. AGE is
since the message was enqueued. Closed runs come by their ends, the newest first, if they fit into
one list. Longer lists come by the day of their messages, the newest first, and in a day by source.
TOOK is from the message to the end of its run.
A list by module, status or time may have to read many rows. It then says how far it came.`,
    )
    .action((flags, command) => {
      if (flags.messageId !== undefined && (flags.after !== undefined || flags.closed))
        command.error("error: --message-id takes neither --after nor --closed");
      if (flags.closed && OPEN_STATUSES.map(statusWord).some((open) => open === flags.status))
        command.error(`error: no run that is over can be ${flags.status}, so leave out --closed or --status`);
      if (flags.exitCode !== undefined && OPEN_STATUSES.map(statusWord).some((open) => open === flags.status))
        command.error(`error: a run that is ${flags.status} has no exit code, so leave out --exit-code or --status`);
      refuseEmptySpan(command, flags);
      const { status: word, ...others } = flags;
      const wanted = word === undefined ? others : { ...others, status: statusOf(word) };
      return end(async () => (await import("./ls.ts")).listRuns(wanted));
    });
}
