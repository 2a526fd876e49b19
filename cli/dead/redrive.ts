import { setTimeout as sleep } from "node:timers/promises";
import { flag } from "../../shared/api/command-text.ts";
import { makeOperator, type Operator } from "../../shared/operate/operator.ts";
import type { PlannedRedrive, Redriving } from "../../shared/operate/redrive-letters.ts";
import { present } from "../../shared/plain-data.ts";
import { MOST_IN_FRONT } from "../../shared/redrive/carry-out.ts";
import { nameOfRun } from "../../shared/run/dead-letter.ts";
import { moduleNamed } from "../../shared/run/module-named.ts";
import {
  DEFAULT_PER_SECOND,
  isAtWork,
  LETTER_HINDRANCES,
  type Redrive,
  type RedriveWanted,
} from "../../shared/run/redrive.ts";
import { type RunKey, runId } from "../../shared/run/run.ts";
import { type Source, sourceKey, sourceName } from "../../shared/run/source.ts";
import type { DoingFlags } from "../doing.ts";
import { Refusal } from "../refusal.ts";
import { printAnswers } from "../repair/print-answers.ts";
import { oneRun } from "../runs/one-run.ts";
import { commandHere } from "../target/aimed.ts";
import type { TargetFlags } from "../target/flags.ts";
import { openTarget } from "../target/open-target.ts";
import { plainText } from "../text/plain-text.ts";
import { note, print, printText } from "../text/print.ts";
import { during } from "../text/progress.ts";
import { counted } from "../text/times.ts";
import { refuseUnknown } from "../unknown-module.ts";
import { whyNotThere } from "./found-letter.ts";
import { HINDRANCES, inFrontText, leftText } from "./hindrances.ts";
import { orderParts } from "./order-parts.ts";

/** How often it is asked how far a redrive came. */
const LOOK_EVERY_MS = 500;

interface ChoiceFlags {
  readonly module?: string;
  readonly reason?: string;
  readonly group?: readonly string[];
  readonly exitCode?: number;
  readonly messageId?: readonly string[];
  readonly run?: readonly string[];
  readonly since?: number;
  readonly until?: number;
}

interface RedriveFlags extends TargetFlags, DoingFlags, ChoiceFlags {
  readonly all?: true;
  readonly most?: number;
  readonly canary?: true;
  readonly rate: number;
  readonly wait: boolean;
  readonly replicaIsKept?: true;
}

/** Runs the messages of failed runs once more. Resolves as `redriveLetters` does. */
export function retryRuns(
  run: readonly string[],
  flags: TargetFlags & DoingFlags & Pick<RedriveFlags, "replicaIsKept">,
): Promise<number> {
  return redriveLetters({ ...flags, run, rate: DEFAULT_PER_SECOND, wait: true });
}

/**
 * Has the chosen dead letters run once more, and follows that until all are begun. Resolves to 1 if some are not, or if
 * it was refused.
 */
export async function redriveLetters(flags: RedriveFlags): Promise<number> {
  const { why, dryRun = false, canary = false, most, rate: perSecond, wait, replicaIsKept = false } = flags;
  const target = await openTarget(flags, { allFiles: true });
  try {
    const operator = makeOperator(target.deps, target.log);
    const runs = [];
    for (const id of flags.run ?? []) runs.push(await runOf(operator, id, flags));
    const wanted = wantedBy(flags, runs);
    if (!wait && wanted.length > 1)
      throw new Refusal("So many are redriven part by part, one after the other. Leave out --no-wait.");
    const plans = await during("looking through the dead letter queues", (show) => operator.planRedrives(wanted, show));
    const count = plans.reduce((sum, { letters }) => sum + letters, 0);
    for (const plan of plans) for (const line of planLines(plan)) printText(line);
    if (count === 0) print("no dead letter of these can be redriven");
    const missing = missingFrom(plans, flags, runs);
    for (const line of await missingLines(operator, missing)) note(plainText(line));
    if (count === 0 && flags.module !== undefined) refuseUnknown(moduleNamed(flags.module), target.deps.modules);
    const areAllThere = Object.values(missing).every(({ length }) => length === 0);
    const isWhole = areAllThere && plans.every(({ left, tooDeep }) => tooDeep === 0 && Object.keys(left).length === 0);
    if (dryRun || count === 0) return isWhole || (count > 0 && areAllThere) ? 0 : 1;
    const who = await target.announce(`redrive ${counted(Math.min(count, most ?? count), "dead letter")}`);
    const how = { by: { who, ...(why === undefined ? {} : { why }) }, perSecond, replicaIsKept };
    let rest = most ?? Number.POSITIVE_INFINITY;
    let isDone = isWhole;
    for (const plan of plans.filter(({ letters }) => letters > 0)) {
      if (rest <= 0) break;
      const order = new Order(operator, plan, how, flags);
      if (canary && !(await order.tryOne())) return 1;
      const { count: redriven, areAll } = await order.redrive(rest, wait);
      if (!areAll) isDone = false;
      rest -= redriven;
    }
    return isDone ? 0 : 1;
  } finally {
    await target.close();
  }
}

/** Finds the run of a dead letter by an id, or the one that a letter of others will have. */
async function runOf(operator: Operator, id: string, flags: TargetFlags): Promise<RunKey> {
  const other = (await operator.find(id)) ? undefined : await operator.otherLetter(id);
  return other?.letter ?? oneRun(operator, id, flags);
}

/** The redrive of one source, as a person orders it. */
class Order {
  readonly #operator: Operator;
  readonly #plan: PlannedRedrive;
  readonly #how: Redriving;
  readonly #flags: TargetFlags;
  #tried = 0;

  constructor(operator: Operator, plan: PlannedRedrive, how: Redriving, flags: TargetFlags) {
    this.#operator = operator;
    this.#plan = plan;
    this.#how = how;
    this.#flags = flags;
  }

  get #source(): Source {
    return this.#plan.source;
  }

  /** Redrives one letter, and waits for the end of its run. Resolves to whether that succeeded. */
  async tryOne(): Promise<boolean> {
    const over = (await this.#order(1)) ? await this.#follow(1) : undefined;
    if (over?.lastRun === undefined) return false;
    this.#tried = over.redriven;
    const id = over.lastRun;
    const [key] = (await this.#operator.find(id))?.keys ?? [];
    const run = key && (await during(`waiting for ${id}`, () => this.#operator.wait(key)));
    if (run !== undefined && run !== "newer" && run.status === "succeeded") {
      print(plainText(`succeeded: ${id}`));
      return true;
    }
    const ended = run === undefined || run === "newer" ? "can't be followed" : run.status;
    const why = commandHere(["runs", "explain", id], this.#flags);
    note(plainText(`The others are left, because ${id} ${ended}. See why: ${why}`));
    return false;
  }

  /** Redrives the letters, `most` at most. Resolves to how many, and to whether these are all that it was to redrive. */
  async redrive(most: number, wait: boolean): Promise<{ readonly count: number; readonly areAll: boolean }> {
    const left = Math.min(most, this.#plan.letters) - this.#tried;
    if (left <= 0) return { count: this.#tried, areAll: true };
    if (!(await this.#order(Number.isFinite(most) ? left : undefined))) return { count: this.#tried, areAll: false };
    if (!wait) return { count: this.#tried + left, areAll: true };
    const over = await this.#follow(left);
    const { redriven, end, problem } = over;
    const name = sourceName(this.#source);
    const count = redriven + this.#tried;
    const said = [`${end ?? "at work"}: ${name}: ${counted(count, "dead letter")} put back to run once more`];
    const notRedriven = leftText(over.left);
    if (notRedriven !== "-") said.push(`not redriven: ${notRedriven}`);
    if (problem !== undefined) said.push(problem);
    printText(said.join("; "));
    const wanted = this.#tried + left;
    if (end === "done" && count < wanted)
      note(
        plainText(
          `${name}: of ${wanted} that could be redriven, ${wanted - count} were not. Look again with --dry-run`,
        ),
      );
    if (count > 0)
      printText("See what becomes of them", commandHere(["runs", "ls", ...flag("source", name)], this.#flags));
    return { count, areAll: end === "done" && count >= wanted && Object.keys(over.left).length === 0 };
  }

  async #order(most: number | undefined): Promise<boolean> {
    const how = most === undefined ? this.#how : { ...this.#how, most };
    const answers = await this.#operator.redrive(this.#source, this.#plan.wanted, how);
    printAnswers(answers, this.#flags);
    return answers.every(([, { kind }]) => kind === "done");
  }

  /** Waits until the redrive is over. */
  #follow(total: number): Promise<Redrive> {
    const look = async (show: (count: number) => void): Promise<Redrive> => {
      for (;;) {
        const redrives = await this.#operator.redrives();
        const mine = redrives.find(({ source }) => sourceKey(source) === sourceKey(this.#source));
        if (!mine) throw new Refusal(`The row of the redrive of ${sourceName(this.#source)} is gone.`);
        if (!isAtWork(mine)) return mine;
        show(mine.redriven);
        await sleep(LOOK_EVERY_MS);
      }
    };
    return during("redriving", look, total);
  }
}

/** What was named and has no letter among those that are wanted. */
interface Missing {
  readonly runs: readonly RunKey[];
  readonly messageIds: readonly string[];
  readonly groups: readonly string[];
}

/** Finds out which of the named runs, message ids and groups no plan has met. */
export function missingFrom(
  plans: readonly Pick<PlannedRedrive, "met" | "wanted">[],
  { messageId = [], group = [] }: ChoiceFlags,
  runs: readonly RunKey[],
): Missing {
  const met = {
    runs: new Set(plans.flatMap((plan) => plan.met.runs)),
    messageIds: new Set(plans.flatMap((plan) => plan.met.messageIds)),
    groups: new Set(plans.map(({ wanted }) => wanted.group)),
  };
  return {
    runs: runs.filter((run) => !met.runs.has(nameOfRun(run))),
    messageIds: messageId.filter((id) => !met.messageIds.has(id)),
    groups: group.filter((id) => !met.groups.has(id.toLowerCase())),
  };
}

/** Says of each why it is not redriven. */
async function missingLines(operator: Operator, { runs, messageIds, groups }: Missing): Promise<string[]> {
  const lines: string[] = [];
  for (const run of runs.map(runId)) lines.push(whyNotThere(run, await operator.deadLetter(run)));
  for (const id of messageIds) lines.push(`${id}: no dead letter that is chosen has this message id`);
  for (const id of groups) lines.push(`${id}: no dead letter that is chosen is of this group`);
  return lines;
}

/**
 * Says which letters are wanted, order by order: group by group if groups are chosen, because one redrive takes one group
 * or any, and part by part if more are named than one order can name.
 */
export function wantedBy(flags: ChoiceFlags, runs: readonly RunKey[]): readonly RedriveWanted[] {
  const { module, reason, group, exitCode, messageId, since, until } = flags;
  const wanted = present({
    module: module === undefined ? undefined : moduleNamed(module),
    reason,
    exitCode,
    since,
    until,
  });
  const groups =
    group === undefined ? [{}] : [...new Set(group.map((id) => id.toLowerCase()))].map((id) => ({ group: id }));
  // No flag goes with --run.
  const named =
    runs.length > 0
      ? orderParts(runs.map(nameOfRun)).map((part) => ({ runs: part }))
      : messageId === undefined
        ? [{}]
        : orderParts(messageId).map((part) => ({ messageIds: part }));
  return groups.flatMap((one) => named.map((part) => ({ ...wanted, ...one, ...part })));
}

/** What a redrive would do, for a person. */
function planLines({ source, letters, left, examples, inFront, tooDeep, wanted: { group } }: PlannedRedrive): string[] {
  const ofGroup = group === undefined ? "" : ` of group ${group}`;
  const lines = [`${sourceName(source)}: ${counted(letters, "dead letter")}${ofGroup} can be redriven`];
  for (const hindrance of LETTER_HINDRANCES) {
    const count = left[hindrance];
    if (count === undefined) continue;
    const { messageId, problem } = examples[hindrance] ?? {};
    const why = problem === undefined ? "" : `: ${problem}`;
    lines.push(`  ${count} ${HINDRANCES[hindrance]} (such as ${messageId}${why})`);
  }
  if (inFront > 0) lines.push(`  ${inFrontText(inFront)}`);
  if (tooDeep > 0)
    lines.push(`  ${tooDeep} are out of reach, because over ${MOST_IN_FRONT} others lie in front of them`);
  return lines;
}
