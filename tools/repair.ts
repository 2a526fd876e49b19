import { Option } from "@commander-js/extra-typings";
import { makeCommand } from "../shared/command-line.ts";
import { makeDependencies } from "../shared/compose.ts";
import { readConfigOver } from "../shared/config.ts";
import { ConfigError, errorText, UnavailableError } from "../shared/errors.ts";
import { makeLog } from "../shared/log.ts";
import { FORCED_OUTCOMES } from "../shared/operate/force-run.ts";
import { type Answers, makeOperator, type Operator } from "../shared/operate/operator.ts";
import { answerText, findingText } from "./repair/words.ts";

// `npm run repair`, and `node dist/tools/repair.js` in the container: lists and does what only a person may decide.
// Without a flag it looks, and changes nothing. The settings are the app's own: the environment, over the Values of
// local.settings.json. It is safe beside running replicas.

const ACTIONS = ["adopt", "adoptOwner", "force", "acceptCluster", "acceptLoss", "cancel", "openGate"];

const COMMAND = makeCommand("npm run repair --")
  .description("Lists what only a person may repair, and changes nothing; with an action, repairs what that names.")
  .addOption(action("--adopt <run...>", "take on a deferred message that has no row"))
  .addOption(action("--adopt-owner <owner>", "the same for every message with this owner's stamp"))
  .addOption(action("--force <run...>", "give up a Job that can't end, and settle its message as --as says"))
  .addOption(new Option("--as <outcome>", "how --force settles the message").choices(FORCED_OUTCOMES))
  .addOption(action("--accept-cluster", "take the cluster that is seen for the right one, and absent Jobs for deleted"))
  .addOption(action("--accept-loss <source>", "close the runs of a held source whose messages are missing"))
  .addOption(action("--cancel <run...>", "cancel a run, whatever it waits for"))
  .addOption(
    action("--open-gate <gate...>", "judge the messages that are held at a gate, and dead-letter what doesn't fit"),
  )
  .addHelpText(
    "after",
    `
In the container, run it with: node dist/tools/repair.js

A run is given by its id, such as thumbnails:42:1732400000000. A source is what run ids begin with.
A gate is given as module:NAME or source:NAME.
It ends with 0 if nothing needs to be repaired, or everything was done; with 1 if something
needs it, or could not be done; with 2 for wrong flags.`,
  );

/** An option that asks for an action: one at a time. */
function action<Flags extends string>(flags: Flags, says: string) {
  const option = new Option(flags, says);
  return option.conflicts(ACTIONS.filter((name) => name !== option.attributeName()));
}

type Action = (operator: Operator) => Promise<Answers>;

/** The action that the flags ask for; undefined for the look. */
function readAction(): Action | undefined {
  const { adopt, adoptOwner: owner, force, as: outcome, acceptLoss: source, ...flags } = COMMAND.parse().opts();
  const { acceptCluster, cancel, openGate } = flags;
  if ((force === undefined) !== (outcome === undefined)) COMMAND.error("error: --force and --as go together");
  if (adopt) return (operator) => operator.adopt(adopt);
  if (owner !== undefined) return (operator) => operator.adoptAllOf(owner);
  if (force && outcome) return (operator) => operator.force(force, outcome);
  if (acceptCluster) return (operator) => operator.acceptCluster();
  if (source !== undefined) return (operator) => operator.acceptLoss(source);
  if (cancel) return (operator) => operator.cancel(cancel);
  if (openGate) return (operator) => operator.openGates(openGate);
  return undefined;
}

async function look(operator: Operator, namespace: string): Promise<number> {
  const found = await operator.audit();
  for (const finding of found) print(findingText(finding, namespace));
  if (found.length === 0) print("nothing needs to be repaired");
  return found.length === 0 ? 0 : 1;
}

async function act(action: Action, operator: Operator): Promise<number> {
  const answers = await action(operator);
  for (const [name, answer] of answers) print(`${answer.kind}: ${name}: ${answerText(answer)}`);
  return answers.some(([, { kind }]) => kind === "refused") ? 1 : 0;
}

async function run(action: Action | undefined): Promise<number> {
  const log = makeLog({ info: logLine, warn: logLine, error: logLine });
  const deps = makeDependencies(await readConfigOver("local.settings.json"), log);
  const operator = makeOperator(deps, log);
  try {
    return await (action ? act(action, operator) : look(operator, deps.namespace));
  } finally {
    await deps.broker.close();
  }
}

/** Writes what was changed to stderr, as a replica would log it, so that it can be kept apart from the answers. */
function logLine(line: string): void {
  process.stderr.write(`${line}\n`);
}

function print(line: string): void {
  process.stdout.write(`${line.replaceAll(/\s+/g, " ")}\n`);
}

/** Says in its own words that settings are wrong, or that a dependency is away. */
function failed(error: unknown): number {
  if (!(error instanceof ConfigError || error instanceof UnavailableError)) throw error;
  for (const line of errorText(error).split("\n")) print(`error: ${line}`);
  return 1;
}

const chosen = readAction();
process.exitCode = await run(chosen).catch(failed);
