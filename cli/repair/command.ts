import { type Command, Option } from "@commander-js/extra-typings";
import { FORCED_OUTCOMES } from "../../shared/operate/forced-outcome.ts";
import type { Action } from "../act.ts";
import { withDoing } from "../doing.ts";
import { end } from "../end.ts";
import { withTarget } from "../target/flags.ts";

const ACTIONS = ["adopt", "adoptOwner", "force", "acceptCluster", "acceptLoss", "cancel", "openGate"];

/** An option that asks for an action: one at a time. */
function action<Flags extends string>(flags: Flags, says: string) {
  const option = new Option(flags, says);
  return option.conflicts(ACTIONS.filter((name) => name !== option.attributeName()));
}

function makeRepair(program: Command) {
  return withDoing(withTarget(program.command("repair")))
    .description("Does what only a person may decide. Without an action it does what audit does, and changes nothing.")
    .addOption(action("--adopt <run...>", "take on a deferred message that has no row"))
    .addOption(action("--adopt-owner <owner>", "the same for every message with this owner's stamp"))
    .addOption(action("--force <run...>", "give up a Job that can't end, and settle its message as --as says"))
    .addOption(new Option("--as <outcome>", "how --force settles the message").choices(FORCED_OUTCOMES))
    .addOption(
      action("--accept-cluster", "take the cluster that is seen for the right one, and absent Jobs for deleted"),
    )
    .addOption(action("--accept-loss <source>", "close the runs of a held source whose messages are missing"))
    .addOption(action("--cancel <run...>", "cancel a run, whatever it waits for"))
    .addOption(
      action("--open-gate <gate...>", "judge the messages that are held at a gate, and dead-letter what doesn't fit"),
    )
    .addHelpText(
      "after",
      `
A run is given by its id, such as thumbnails:42:1732400000000. A source is what run ids begin with.
A gate is given as module:NAME or source:NAME.
It ends with 0 if nothing needs to be repaired, or everything was done; with 1 if something
needs it, or could not be done; with 2 for wrong flags.`,
    );
}

type Flags = ReturnType<ReturnType<typeof makeRepair>["opts"]>;

/** Adds the subcommand `repair`, which does what only a person may decide. Without an action it looks. */
export function addRepair(program: Command): void {
  makeRepair(program).action((flags, command) => {
    if ((flags.force === undefined) !== (flags.as === undefined)) command.error("error: --force and --as go together");
    const chosen = actionOf(flags);
    if (!chosen && (flags.why !== undefined || flags.dryRun))
      command.error("error: --why and --dry-run go with an action");
    return end(async () => {
      if (chosen === undefined) return (await import("../audit/audit.ts")).audit(flags);
      return (await import("../act.ts")).act(flags, flags, chosen);
    });
  });
}

/** The action that the flags ask for; undefined for the look. */
function actionOf(flags: Flags): Action | undefined {
  const { adopt, adoptOwner: owner, force, as: outcome, acceptLoss: source, acceptCluster, cancel, openGate } = flags;
  if (adopt) return { words: `adopt ${adopt.join(", ")}`, act: (operator, how) => operator.adopt(adopt, how) };
  if (owner !== undefined)
    return { words: `adopt all of owner ${owner}`, act: (operator, how) => operator.adoptAllOf(owner, how) };
  if (force && outcome)
    return {
      words: `force ${force.join(", ")} as ${outcome}`,
      act: (operator, how) => operator.force(force, outcome, how),
    };
  if (acceptCluster) return { words: "accept the cluster", act: (operator, how) => operator.acceptCluster(how) };
  if (source !== undefined)
    return { words: `accept the loss of ${source}`, act: (operator, how) => operator.acceptLoss(source, how) };
  if (cancel) return { words: `cancel ${cancel.join(", ")}`, act: (operator, how) => operator.cancel(cancel, how) };
  if (openGate)
    return { words: `open ${openGate.join(", ")}`, act: (operator, how) => operator.openGates(openGate, how) };
  return undefined;
}
