import { Option } from "@commander-js/extra-typings";
import { makeCommand } from "../shared/command-line.ts";
import { makeDependencies } from "../shared/compose.ts";
import { readConfig } from "../shared/config.ts";
import type { Dependencies } from "../shared/dependencies.ts";
import { ConfigError, errorText, UnavailableError } from "../shared/errors.ts";
import { type Log, makeLog } from "../shared/log.ts";
import { viewCluster } from "../shared/observe/cluster-view.ts";
import { knownSources } from "../shared/observe/open-runs.ts";
import { adoptMessage } from "../shared/operate/adopt-message.ts";
import { findRepairs, type Repairable } from "../shared/operate/audit.ts";
import { believeAbsence } from "../shared/operate/believe-absence.ts";
import { cancelRun } from "../shared/operate/cancel-run.ts";
import { FORCED_OUTCOMES, forceRun } from "../shared/operate/force-run.ts";
import { orphanMessages } from "../shared/operate/orphan-messages.ts";
import { type RepairOutcome, refused } from "../shared/operate/outcome.ts";
import { runsNamed, sourcesNamed } from "../shared/operate/run-named.ts";
import { type RunKey, runId } from "../shared/run/run.ts";
import { sourceName } from "../shared/run/source.ts";
import { readLocalSettings } from "../shared/settings/local-settings.ts";

// `npm run repair`, and `node dist/tools/repair.js` in the container: what only a person may decide. Without a flag it looks, and changes
// nothing. The settings are the app's own: the environment, over the Values of local.settings.json. Safe beside running Dispatchers.

const ACTIONS = ["adopt", "adoptOwner", "force", "believeAbsence", "cancel"];

const COMMAND = makeCommand("npm run repair --")
  .description("Lists what only a person may repair, and changes nothing; with an action, repairs what that names.")
  .addOption(action("--adopt <run...>", "take on a deferred message that has no row"))
  .addOption(action("--adopt-owner <owner>", "the same for every message with this owner's stamp"))
  .addOption(action("--force <run...>", "give up a Job that can't end, and settle its message as --as says"))
  .addOption(new Option("--as <outcome>", "how --force settles the message").choices(FORCED_OUTCOMES))
  .addOption(action("--believe-absence <source>", "take the absent Jobs of a source for deleted"))
  .addOption(action("--cancel <run...>", "cancel a run, whatever it waits for"))
  .addHelpText(
    "after",
    `
In the container, run it with: node dist/tools/repair.js

A run is given by its id, such as thumbnails:42:1732400000000. A source is what run ids begin with.
Ends with 0 if nothing is to repair, or all was done or had been; 1 if something is,
or could not be done; 2 for wrong flags.`,
  );

/** An option that asks for an action: one at a time. */
function action<Flags extends string>(flags: Flags, says: string) {
  const option = new Option(flags, says);
  return option.conflicts(ACTIONS.filter((name) => name !== option.attributeName()));
}

/** What became of one thing that was asked for, by its name. */
type Answer = readonly [name: string, outcome: RepairOutcome];
type Action = (deps: Dependencies, log: Log) => Promise<Answer[]>;

/** The action that the flags ask for; undefined for the look. */
function readAction(): Action | undefined {
  const { adopt, adoptOwner: owner, force, as: outcome, believeAbsence: source, cancel } = COMMAND.parse().opts();
  if ((force === undefined) !== (outcome === undefined)) COMMAND.error("error: --force and --as go together");
  if (adopt) return (deps, log) => adoptEach(deps, adopt, log);
  if (owner !== undefined) return (deps, log) => adoptOwner(deps, owner, log);
  if (force && outcome) return (deps, log) => eachRun(deps, force, (key) => forceRun(deps, key, outcome, log));
  if (source !== undefined) return (deps, log) => believe(deps, source, log);
  if (cancel) return (deps, log) => eachRun(deps, cancel, (key) => cancelRun(deps, key, log));
  return undefined;
}

async function eachRun(
  deps: Dependencies,
  ids: readonly string[],
  repair: (key: RunKey) => Promise<RepairOutcome>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const id of ids) {
    const [key, another] = await runsNamed(deps, id);
    if (!key)
      answers.push([id, refused("no source of the modules or the table has such runs; a run id is SOURCE:NUMBER:MS")]);
    else if (another) answers.push([id, refused("a queue and a subscription share this name")]);
    else answers.push([id, await repair(key).catch(notNow)]);
  }
  return answers;
}

async function adoptEach(deps: Dependencies, ids: readonly string[], log: Log): Promise<Answer[]> {
  const view = await viewCluster(deps);
  return eachRun(deps, ids, (key) => adoptMessage(deps, key, view, log));
}

async function adoptOwner(deps: Dependencies, owner: string, log: Log): Promise<Answer[]> {
  const view = await viewCluster(deps);
  const answers: Answer[] = [];
  for (const source of await knownSources(deps))
    for (const stray of await orphanMessages(deps, source))
      if (stray.owner === owner)
        answers.push([runId(stray.key), await adoptMessage(deps, stray.key, view, log).catch(notNow)]);
  return answers.length > 0
    ? answers
    : [[owner, { kind: "already", why: "no message without a row has this owner's stamp" }]];
}

async function believe(deps: Dependencies, name: string, log: Log): Promise<Answer[]> {
  const sources = await sourcesNamed(deps, name);
  if (sources.length === 0) return [[name, refused("neither the modules nor the table know such a source")]];
  return Promise.all(
    sources.map(
      async (source): Promise<Answer> => [sourceName(source), await believeAbsence(deps, source, log).catch(notNow)],
    ),
  );
}

/** One that can't be done just now keeps the others from nothing. */
function notNow(error: unknown): RepairOutcome {
  if (error instanceof UnavailableError) return refused(errorText(error));
  throw error;
}

function lineOf(found: Repairable, deps: Dependencies): string {
  switch (found.kind) {
    case "stray message": {
      const id = runId(found.key);
      const owner = found.owner === undefined ? "nobody's stamp" : `the stamp of owner ${JSON.stringify(found.owner)}`;
      const module = found.module === undefined ? "no module takes it" : `module ${found.module} takes it`;
      const message = `a deferred message (id ${JSON.stringify(found.message.messageId ?? "")}) without a row, with ${owner}; ${module}`;
      return `${id}: ${message}: --adopt '${id}'`;
    }
    case "overdue Job":
      return `${found.runId}: Job ${found.jobName} is past its time limits for ${Math.round(found.overdueMs / 60_000)} min, and not over: --force '${found.runId}' --as ${FORCED_OUTCOMES.join("|")}`;
    case "mass absence":
      return `${found.source}: ${found.absent} Jobs are absent from namespace ${deps.namespace}, too many to believe it: --believe-absence '${found.source}'`;
    default:
      return found satisfies never;
  }
}

async function look(deps: Dependencies): Promise<number> {
  const found = await findRepairs(deps);
  for (const repairable of found) print(lineOf(repairable, deps));
  if (found.length === 0) print("nothing is to repair");
  return found.length === 0 ? 0 : 1;
}

async function act(action: Action, deps: Dependencies, log: Log): Promise<number> {
  const answers = await action(deps, log);
  for (const [name, { kind, why }] of answers) print(`${kind}: ${name}: ${why}`);
  return answers.some(([, { kind }]) => kind === "refused") ? 1 : 0;
}

async function run(action: Action | undefined): Promise<number> {
  const values = await readLocalSettings("local.settings.json");
  const set = Object.entries(process.env).filter(([, value]) => value?.trim());
  const log = makeLog({ info: logLine, warn: logLine, error: logLine });
  const deps = makeDependencies(readConfig({ ...values, ...Object.fromEntries(set) }), log);
  try {
    return await (action ? act(action, deps, log) : look(deps));
  } finally {
    await deps.broker.close();
  }
}

/** What was changed, as the app would log it: beside the answers, for whoever keeps the record. */
function logLine(line: string): void {
  process.stderr.write(`${line}\n`);
}

function print(line: string): void {
  process.stdout.write(`${line.replaceAll(/\s+/g, " ")}\n`);
}

/** Settings that are wrong, or a dependency that is away: said in its own words, and not done. */
function said(error: unknown): number {
  if (!(error instanceof ConfigError || error instanceof UnavailableError)) throw error;
  for (const line of errorText(error).split("\n")) print(`error: ${line}`);
  return 1;
}

process.exitCode = await run(readAction()).catch(said);
