import { type Command, InvalidArgumentError, Option, type OptionValues } from "@commander-js/extra-typings";
import { wholeNumber } from "../../shared/command-line.ts";
import { REASONS } from "../../shared/run/reasons.ts";
import { DEFAULT_PER_SECOND } from "../../shared/run/redrive.ts";
import { withDoing } from "../doing.ts";
import { end } from "../end.ts";
import { withTarget } from "../target/flags.ts";
import { withOutput } from "../text/output.ts";
import { refuseEmptySpan, timeOrAgo } from "../time-or-ago.ts";

/** So many may be listed at once. */
const MOST = 1_000;

/** Adds the subcommands about dead letters. */
export function addDead(program: Command): void {
  const dead = program.command("dead").description("Shows which messages were dead-lettered, and what for.");
  withOutput(withTarget(dead.command("groups")))
    .description(
      "Lists what failed: dead letters by module, reason, exit code and last words, the largest group first.",
    )
    .option("--module <name>", MODULE_SAYS)
    .option("--limit <n>", "so many groups at most", wholeNumber(1, MOST), 50)
    .addHelpText("after", GROUPS_HELP)
    .action((flags) => end(async () => (await import("./groups.ts")).listGroups(flags)));
  withWanted(withOutput(withTarget(dead.command("ls"))))
    .description("Lists dead letters: the newest first, or if there are more than one list has, group by group.")
    .option("--limit <n>", "so many at most", wholeNumber(1, MOST), 100)
    .option("--exit-code <n>", "with this exit code", wholeNumber(0, 255))
    .option("--since <time>", SINCE_SAYS, timeOrAgo)
    .option("--until <time>", UNTIL_SAYS, timeOrAgo)
    .option("--after <run>", "only those behind this one, where an earlier list ended")
    .addHelpText("after", LS_HELP)
    .action((flags, command) => {
      refuseEmptySpan(command, flags);
      return end(async () => (await import("./ls.ts")).listLetters(flags));
    });
  withOutput(withTarget(dead.command("others")))
    .description("Lists dead letters that no run left: the bus, a sender or another program put them there.")
    .option("--limit <n>", "so many at most", wholeNumber(1, MOST), 100)
    .option("--after <letter>", "only those behind this one, where an earlier list ended")
    .addHelpText("after", OTHERS_HELP)
    .action((flags) => end(async () => (await import("./others.ts")).listOthers(flags)));
  withOutput(withTarget(dead.command("show")))
    .argument("<run>", "the id of its run, such as thumbnails:42:1732400000000, or an id of its message")
    .option("--content", "also its body and properties, which takes the right to receive from its queue")
    .description("Shows all that is known of one dead letter.")
    .addHelpText("after", "\nEnds with 0 if it is one, 1 if it is none or can't be read, 2 for wrong flags.")
    .action((run, flags) => end(async () => (await import("./show.ts")).showLetter(run, flags)));
  withChosen(withTarget(dead.command("export")))
    .argument("<file>", "a new file; - writes to stdout")
    .description("Writes dead letters as lines of JSON, and changes nothing on the bus.")
    .option("--bodies", "with their bodies, in base64")
    .addHelpText("after", EXPORT_HELP)
    .action((file, flags) => end(async () => (await import("./export.ts")).exportLetters(file, flags)));
  addRedrive(dead);
  withDoing(withChosen(withTarget(dead.command("purge"))))
    .description("Takes dead letters off the bus for good, after you have typed how many.")
    .option("--gone", "only delete the rows of those that are gone from the bus already")
    .option("--yes <count>", "that there are so many, where nobody can be asked", wholeNumber(1, 1_000_000_000))
    .addHelpText("after", PURGE_HELP)
    .action((flags, command) => {
      if (CHOICES.every((name) => flags[name] === undefined))
        command.error("error: choose what to purge, by --group, --run, --reason or --module");
      return end(async () => (await import("./purge.ts")).purgeLetters(flags));
    });
}

/** Adds the subcommands that redrive. */
function addRedrive(dead: Command): void {
  withDoing(withTarget(dead.command("redrive")))
    .description("Runs dead letters once more, in place: no copy is sent, and no message gets another id.")
    .option("--module <name>", MODULE_SAYS)
    .option("--reason <reason>", "with this reason, by whomever they were dead-lettered")
    .option("--group <id...>", "of these failure groups, as dead groups lists them: one after the other")
    .option("--exit-code <n>", "with this exit code", wholeNumber(0, 255))
    .option("--message-id <id...>", "of the messages with these ids")
    .addOption(
      new Option("--run <run...>", "of these runs, by their ids or ids of their messages").conflicts([
        "module",
        "reason",
        "group",
        "exitCode",
        "messageId",
        "since",
        "until",
      ]),
    )
    .option("--since <time>", SINCE_SAYS, timeOrAgo)
    .option("--until <time>", UNTIL_SAYS, timeOrAgo)
    .option("--all", "all of them")
    .option("--most <n>", "so many at most", wholeNumber(1, 1_000_000_000))
    .option("--canary", "one first, and the others only if that one succeeds")
    .option("--rate <n>", "so many a second at most", wholeNumber(1, 1_000), DEFAULT_PER_SECOND)
    .option("--no-wait", "only order it, and don't wait until all are put back to run once more")
    .option("--replica-is-kept", "you keep a replica awake meanwhile: see below")
    .addHelpText("after", REDRIVE_HELP)
    .action((flags, command) => {
      refuseEmptySpan(command, flags);
      if (!flags.wait && (flags.group?.length ?? 0) > 1)
        command.error("error: several groups are redriven one after the other, so leave out --no-wait");
      if (
        [...CHOICES, "exitCode", "messageId", "since", "until", "all"].every(
          (name) => Reflect.get(flags, name) === undefined,
        )
      )
        command.error(
          "error: choose what to redrive, by --group, --exit-code, --run, --reason, --module or --message-id, or by --all",
        );
      return end(async () => (await import("./redrive.ts")).redriveLetters(flags));
    });
  withOutput(withTarget(dead.command("redrives")))
    .description("Lists the last redrive of each source, and how far it came.")
    .action((flags) => end(async () => (await import("./redrives.ts")).listRedrives(flags)));
  withDoing(withTarget(dead.command("abort")))
    .argument("<source>", "the queue, or the topic and the subscription, such as thumbnails")
    .description("Ends a redrive. What was redriven until then goes on.")
    .action((source, flags) => end(async () => (await import("./redrives.ts")).abortRedrive(source, flags)));
}

const CHOICES = ["module", "reason", "group", "run"] as const;

const MODULE_SAYS = "of this module; - for messages that no module took";

const SINCE_SAYS = "that failed since then: so long ago, such as 2h, or a time";
const UNTIL_SAYS = "that failed before then";

const LS_HELP = `
A list by exit code or time may have to read many letters. It then says how far it came.`;

const OTHERS_HELP = `
It looks through the dead letter queues themselves, 5,000 letters at a time. CAN RUN says whether a
module takes the letter today. If one does, dead redrive --run LETTER runs it.`;

const GROUPS_HELP = `
Letters whose last words differ only in numbers and ids are one group. LAST is when the
newest run of it ended. A group is counted up to 1,000, and 1000+ means 1,000 or more.`;

const EXPORT_HELP = `
A line has what dead ls shows, and in "message" what lies on the bus. Letters that are no longer
there have "onBus": false. Without a choice, all letters are written.`;

const PURGE_HELP = `
The bus hands out letters in order alone. So others that lie in front of the chosen ones are held
meanwhile, 10,000 at most, and given back then. If it is interrupted, the next purge goes on.
Ends with 0 if all are purged, 1 if some are left or it was refused, 2 for wrong flags.`;

const REDRIVE_HELP = `
First it says how many would run, and which would not and why. The ticks of the Dispatcher then
carry it out, so that it goes on if this command is ended. What fails once more stays a dead letter.
The command ends once all are put back. Their runs go on then: see them with runs ls.
The bus hands out letters in order alone. So others that lie in front of the chosen ones are held
meanwhile, 10,000 at most, and given back then. From then on the chosen ones are deferred: other
tools see them by peeking alone.
KEDA counts no dead letters. If the app may sleep (scaling.scaleToZero), keep a replica awake until
the runs are over, and say so by --replica-is-kept:
  kubectl annotate scaledobject NAME autoscaling.keda.sh/paused-replicas=1
Ends with 0 if all chosen ones were redriven, 1 if some were not or it was refused, 2 for wrong
flags.`;

/** Adds the flags that choose dead letters, of single runs too. */
function withChosen<Args extends unknown[], Flags extends OptionValues, Global extends OptionValues>(
  command: Command<Args, Flags, Global>,
) {
  return withWanted(command).addOption(
    new Option("--run <run...>", "of these runs, by their ids").conflicts(["module", "reason", "group"]),
  );
}

/** Adds the flags that choose dead letters. */
function withWanted<Args extends unknown[], Flags extends OptionValues, Global extends OptionValues>(
  command: Command<Args, Flags, Global>,
) {
  return command
    .option("--module <name>", MODULE_SAYS)
    .addOption(new Option("--reason <reason>", "with this reason").choices(REASONS))
    .option("--group <id>", "of this failure group, as dead groups lists it", onlyOneGroup);
}

/** Refuses a second group, which would take the place of the first without a word. */
function onlyOneGroup(group: string, before: string | undefined): string {
  if (before !== undefined) throw new InvalidArgumentError("Give one group. Only dead redrive takes several.");
  return group;
}
