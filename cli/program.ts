import { makeCommand, portNumber, wholeNumber } from "../shared/command-line.ts";
import { addCompletion } from "./completion.ts";
import { addDead } from "./dead/command.ts";
import { withDoing } from "./doing.ts";
import { end } from "./end.ts";
import { addModules } from "./modules/command.ts";
import { addRepair } from "./repair/command.ts";
import { addRuns } from "./runs/command.ts";
import { addSend } from "./send/command.ts";
import { withTarget } from "./target/flags.ts";
import { withJson, withOutput } from "./text/output.ts";
import { commandNamed, refuseUnknownCommands } from "./unknown-command.ts";
import { chooseCluster, withCluster } from "./up/cluster-flags.ts";

const AUDIT_HELP = `
Reads all open rows, Jobs, messages and dead letters, and changes nothing without --repair. What may
be in flight, because it is younger than two ticks, is no finding. docs/operate.md lists the kinds.
Ends with 0 if nothing is wrong or all was mended, 1 if something is wrong or was cut off,
2 for wrong flags.`;

/**
 * Makes the whole command: the names of all subcommands, what each does, and what it takes. What a subcommand does is
 * loaded once it is asked for, so that it loads only the SDKs that it needs, and --help loads none.
 */
export function makeProgram(name: string) {
  const program = makeCommand(name)
    .description(
      "Shows what a Dispatcher does with its messages, and does what only a person may decide.\n\nIt finds the Dispatcher by itself: the one whose settings are in the environment, the stack of this machine that `dispatcher up` runs, the one in local.settings.json, or the one in the cluster and namespace of the current kubeconfig context.",
    )
    .addHelpText(
      "after",
      "\nEnds with 0 if all is done or nothing is wrong, 1 if something is wrong or was refused, 2 for wrong flags.",
    );

  program.commandsGroup("Look at a Dispatcher:");
  withJson(withTarget(program.command("status")))
    .option("--watch", "show it anew every two seconds, until Ctrl-C")
    .description("Shows what runs, what waits and why, and what is wrong, module by module.")
    .addHelpText(
      "after",
      `
AT WORK is what the last tick saw. IN LINE waits for a slot, LATER for its time, HELD at a gate.
DONE and FAILED count what was closed in the last hour. FAILED are those that failed, were rejected
or lost their message, and not those that a person cancelled.
Ends with 0 if nothing is wrong, 1 if something is, 2 for wrong flags.`,
    )
    .action((flags) => end(async () => (await import("./status/status.ts")).showStatus(flags)));
  addRuns(program);
  addDead(program);
  addModules(program);
  withOutput(withTarget(program.command("actions")))
    .option("--limit <n>", "so many at most", wholeNumber(1, 1_000), 50)
    .option("--after <place>", "go on where an earlier list ended")
    .option("--run <run>", "only what was done to this run, by its id or an id of its message")
    .description("Lists what persons did to a Dispatcher, when and why, the newest first.")
    .action((flags) => end(async () => (await import("./actions/actions.ts")).listActions(flags)));

  withTarget(program.command("ui"))
    .option("--act", "let the page change something, as you might by this command")
    .option("--port <n>", "where it listens on this machine; if taken, on a free port", portNumber, 7080)
    .description("Serves a page that shows all this, to this machine alone, and prints its address. Until Ctrl-C.")
    .addHelpText(
      "after",
      `
The address has a secret, without which the server answers nothing. Bus, storage and cluster are
asked with your own rights. Without --act, the page only shows what an action would do.`,
    )
    .action((flags) => end(async () => (await import("./page/serve-page.ts")).servePage(flags)));

  program.commandsGroup("Check and repair:");
  withTarget(program.command("preflight"))
    .description("Prints a line for everything that is wrong with settings, module files, bus, storage and cluster.")
    .addHelpText(
      "after",
      `
Makes the table and the containers if they are missing, and changes nothing else.
Ends with 0 if nothing that it found is an error, 1 if something is, 2 for wrong flags.`,
    )
    .action((flags) => end(async () => (await import("./preflight/preflight.ts")).preflight(flags)));
  withDoing(withJson(withTarget(program.command("audit"))))
    .option("--repair", "mend what needs no judgement, as a tick or a sweep would in its time")
    .description("Compares bus, rows and cluster, and names whatever disagrees with the command that mends it.")
    .addHelpText("after", AUDIT_HELP)
    .action((flags, command) => {
      if (!flags.repair && (flags.why !== undefined || flags.dryRun))
        command.error("error: --why and --dry-run go with --repair");
      return end(async () => (await import("./audit/audit.ts")).audit(flags));
    });
  addRepair(program);

  program.commandsGroup("Messages, and one machine:");
  addSend(program);
  withCluster(program.command("up"))
    .description("Runs bus, storage, cluster and the app on this machine, until Ctrl-C.")
    .option("--fresh", "forget the messages, rows and Jobs that an earlier start has kept")
    .addHelpText(
      "after",
      `
Settings of the environment go before those in local.settings.json ("Values"), and these before
the stack's own. KUBECONFIG does not count: name a cluster with --kubeconfig.
A real ServiceBus or AzureWebJobsStorage replaces the local one.

Messages, rows and Jobs are kept in .dispatcher/, also after a kill -9. Jobs that are at work when
it ends are tried again at the next start. Changed module files are loaded while Jobs go on.`,
    )
    .action((flags, command) => {
      const cluster = chooseCluster(flags, command);
      return end(async () => (await import("./up/local-program.ts")).up({ cluster, fresh: flags.fresh ?? false }), {
        cleansUp: true,
      });
    });
  withCluster(program.command("demo"))
    .description("Sends messages of every kind through the whole path on this machine, and says how each ended.")
    .option("--json", "one JSON object a line for each message, and a summary last; behind npm, use npm run --silent")
    .addHelpText("after", "\nEnds with 0 if each message ended as its sample says, 1 if not, 2 for wrong flags.")
    .action((flags, command) => {
      const cluster = chooseCluster(flags, command);
      return end(async () => (await import("./up/local-program.ts")).demo(cluster, flags), { cleansUp: true });
    });
  program
    .command("help")
    .argument("[command...]", "its name, such as: runs ls")
    .description("Prints what a command does and takes.")
    .action((words) => commandNamed(program, words).help());
  addCompletion(program);
  refuseUnknownCommands(program);
  return program;
}
