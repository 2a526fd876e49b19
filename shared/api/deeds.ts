import pLimit from "p-limit";
import { z } from "zod";
import { durationText } from "../duration.ts";
import { safeOf } from "../operate/audit/finding.ts";
import type { Doing } from "../operate/by.ts";
import type { LettersChosen } from "../operate/chosen-letters.ts";
import { FORCED_OUTCOMES } from "../operate/forced-outcome.ts";
import type { Answers } from "../operate/operator.ts";
import type { PlannedRedrive, RedrivePlan } from "../operate/redrive-letters.ts";
import { present } from "../plain-data.ts";
import { nameOfId } from "../run/dead-letter.ts";
import { moduleNamed } from "../run/module-named.ts";
import { REASONS } from "../run/reasons.ts";
import { DEFAULT_PER_SECOND } from "../run/redrive.ts";
import type { Caller } from "./caller.ts";
import { commandText, flag } from "./command-text.ts";
import { acted, purged, redriven } from "./deed-answers.ts";
import { letterOf } from "./letter-of.ts";
import { ProblemError } from "./problem.ts";
import { deed, type Room, type Route } from "./route.ts";
import { LAST_TIME, TIME_IN_REQUEST, timeInCommand, timeInRequest, withTimes } from "./time-span.ts";

/** So many things may be named in one action. */
const MOST_NAMED = 1_000;
/** So many letters are looked for at once. */
const AT_ONCE = 16;
/** Longer than a limit would ever be meant to hold. */
const LONGEST_MS = 366 * 86_400_000;

const nothing = z.strictObject({});
const name = z.string().min(1).max(1_024);
const names = z.array(name).min(1).max(MOST_NAMED);
/** So many letters may be named in a redrive, because its row holds their names in one column. */
const namesOfLetters = names.max(500);
const doing = z.strictObject({
  why: z.string().min(1).max(1_000).optional().describe("the reason, for those who see it later"),
  dryRun: z.boolean().default(false).describe("only say what would be done"),
});
const limiting = doing.extend({
  forMs: z.int().min(1_000).max(LONGEST_MS).optional().describe("how long; without it, until it is resumed"),
});
const ofModule = z.strictObject({ module: z.string().min(1).max(63) });

interface Doings {
  readonly why?: string | undefined;
  readonly dryRun: boolean;
}

/** Everything that a person may do. Each answers with the command that does the same. */
export const DEEDS: readonly Route[] = [
  deed({
    path: "/runs/cancel",
    name: "cancelRuns",
    says: "Cancels runs, whatever they wait for: a Job at work is ended, the message dead-lettered.",
    params: nothing,
    query: nothing,
    body: doing.extend({ runs: names }),
    answer: acted,
    take: (room, { body: { runs, ...how } }, caller) =>
      act(room, caller, how, ["runs", "cancel", ...runs], (doingIt) => room.operator.cancel(runs, doingIt)),
  }),
  deed({
    path: "/runs/force",
    name: "forceRuns",
    says: "Gives up the Jobs of runs that can't end, and says what becomes of their messages.",
    role: "admin",
    params: nothing,
    query: nothing,
    body: doing.extend({ runs: names, as: z.enum(FORCED_OUTCOMES) }),
    answer: acted,
    take: (room, { body: { runs, as, ...how } }, caller) =>
      act(room, caller, how, ["repair", "--force", ...runs, "--as", as], (doingIt) =>
        room.operator.force(runs, as, doingIt),
      ),
  }),
  deed({
    path: "/runs/adopt",
    name: "adoptRuns",
    says: "Takes on deferred messages that have no row, by the ids that their runs would have.",
    params: nothing,
    query: nothing,
    body: doing.extend({ runs: names }),
    answer: acted,
    async take(room, { body: { runs, ...how } }, caller) {
      refuseWrongFiles(room);
      return act(room, caller, how, ["repair", "--adopt", ...runs], (doingIt) => room.operator.adopt(runs, doingIt));
    },
  }),
  deed({
    path: "/modules/{module}/pause",
    name: "pauseModule",
    says: "Pauses a module: nothing of it starts, its messages wait, and its Jobs at work go on.",
    params: ofModule,
    query: nothing,
    body: limiting,
    answer: acted,
    take: (room, { params: { module }, body: { forMs, ...how } }, caller) =>
      act(room, caller, how, ["modules", "pause", module, ...forFlag(forMs)], (doingIt) =>
        room.operator.pause(module, { ...doingIt, ...untilOf(room, forMs) }),
      ),
  }),
  deed({
    path: "/modules/{module}/limit",
    name: "limitModule",
    says: "Lets so many Jobs of a module be at work, whatever its file says.",
    params: ofModule,
    query: nothing,
    body: limiting.extend({ slots: z.int().min(0).max(100_000) }),
    answer: acted,
    take: (room, { params: { module }, body: { forMs, slots, ...how } }, caller) =>
      act(room, caller, how, ["modules", "limit", module, String(slots), ...forFlag(forMs)], (doingIt) =>
        room.operator.limit(module, slots, { ...doingIt, ...untilOf(room, forMs) }),
      ),
  }),
  deed({
    path: "/modules/{module}/resume",
    name: "resumeModule",
    says: "Lifts the pause or the limit of a module, so that its file counts again.",
    params: ofModule,
    query: nothing,
    body: doing,
    answer: acted,
    take: (room, { params: { module }, body }, caller) =>
      act(room, caller, body, ["modules", "resume", module], (doingIt) => room.operator.resume(module, doingIt)),
  }),
  deed({
    path: "/gates/open",
    name: "openGates",
    says: "Opens gates, so that what is held there is judged: what fits is accepted, the rest dead-lettered.",
    params: nothing,
    query: nothing,
    body: doing.extend({ gates: names.describe("such as module:thumbnail") }),
    answer: acted,
    take: (room, { body: { gates, ...how } }, caller) =>
      act(room, caller, how, ["repair", "--open-gate", ...gates], (doingIt) => room.operator.openGates(gates, doingIt)),
  }),
  deed({
    path: "/cluster/accept",
    name: "acceptCluster",
    says: "Takes the cluster that is seen for the right one, and the Jobs that are absent from it for deleted.",
    role: "admin",
    params: nothing,
    query: nothing,
    body: doing,
    answer: acted,
    take: (room, { body }, caller) =>
      act(room, caller, body, ["repair", "--accept-cluster"], (doingIt) => room.operator.acceptCluster(doingIt)),
  }),
  deed({
    path: "/sources/accept-loss",
    name: "acceptLoss",
    says: "Closes the runs of a held source whose messages are missing.",
    role: "admin",
    params: nothing,
    query: nothing,
    body: doing.extend({ source: name }),
    answer: acted,
    take: (room, { body: { source, ...how } }, caller) =>
      act(room, caller, how, ["repair", "--accept-loss", source], (doingIt) =>
        room.operator.acceptLoss(source, doingIt),
      ),
  }),
  deed({
    path: "/dead-letters/redrive",
    name: "redriveDeadLetters",
    says: "Orders that dead letters run once more, in place. The ticks carry it out. A dry run says how many can.",
    params: nothing,
    query: nothing,
    body: doing
      .extend({
        module: z.string().max(63).optional().describe("- for messages that no module took"),
        reason: z.string().min(1).max(128).optional(),
        group: z.string().min(1).max(64).optional(),
        exitCode: z.int().min(0).max(255).optional().describe("of the last attempt"),
        runs: namesOfLetters.optional().describe("the ids of their runs"),
        since: timeInRequest.describe(`only those that failed from then on: ${TIME_IN_REQUEST}`),
        until: timeInRequest.describe("only those that failed before, likewise"),
        most: z.int().min(1).max(1_000_000_000).optional().describe("so many of each source at most"),
        perSecond: z.int().min(1).max(1_000).default(DEFAULT_PER_SECOND),
      })
      .refine(
        ({ module, reason, group, exitCode, runs, since, until }) =>
          [module, reason, group, exitCode, runs, since, until].some((one) => one !== undefined),
        { message: "choose what to redrive, by group, exit code, runs, time, reason or module" },
      ),
    answer: redriven,
    async take({ operator, clock, target }, { body: { most, perSecond, why, dryRun, ...chosen } }, caller) {
      const how = { why, dryRun };
      const { module, reason, group, exitCode, runs } = chosen;
      const { since, until } = withTimes(chosen, clock.now());
      const wanted = present({
        module: moduleNamed(module),
        reason,
        group: group?.toLowerCase(),
        exitCode,
        runs: runs?.map(nameOfId),
        since,
        until,
      });
      const flags = [
        ...flag("group", group),
        ...flag("reason", reason),
        ...flag("exit-code", exitCode?.toString()),
        ...flag("module", module),
        ...(runs === undefined ? [] : ["--run", ...runs]),
        ...flag("since", timeInCommand(chosen.since)),
        ...flag("until", timeInCommand(chosen.until)),
        ...flag("most", most?.toString()),
        ...(perSecond === DEFAULT_PER_SECOND ? [] : flag("rate", String(perSecond))),
      ];
      const command = commandText(["dead", "redrive", ...flags, ...target], how);
      const doingIt = await doingOf(caller, how, command);
      const plans = await operator.planRedrives([wanted]);
      const found: Answers[number][] = [];
      if (!how.dryRun)
        for (const { source, letters } of plans)
          if (letters > 0)
            found.push(
              ...(await operator.redrive(source, wanted, {
                ...doingIt,
                perSecond,
                ...(most === undefined ? {} : { most }),
              })),
            );
      const met = new Set(plans.flatMap((plan) => plan.met.runs));
      const missing = (runs ?? []).filter((run) => !met.has(nameOfId(run)));
      return { command, plans: plans.map(shownPlan), missing, answers: named(found) };
    },
  }),
  deed({
    path: "/redrives/abort",
    name: "abortRedrive",
    says: "Ends the redrive of a source. What was redriven until then goes on.",
    params: nothing,
    query: nothing,
    body: doing.extend({ source: name }),
    answer: acted,
    take: (room, { body: { source, ...how } }, caller) =>
      act(room, caller, how, ["dead", "abort", source], (doingIt) => room.operator.abortRedrive(source, doingIt)),
  }),
  deed({
    path: "/dead-letters/purge",
    name: "purgeDeadLetters",
    says: "Takes dead letters off the bus for good: those of a group, a reason, a module or these runs. A dry run says how many.",
    role: "admin",
    params: nothing,
    query: nothing,
    body: doing
      .extend({
        module: z.string().max(63).optional().describe("- for messages that no module took"),
        reason: z.enum(REASONS).optional(),
        group: z.string().min(1).max(64).optional(),
        runs: names.optional().describe("the ids of their runs, and then nothing else"),
        before: z
          .int()
          .min(0)
          .max(LAST_TIME)
          .optional()
          .describe("`before` of the dry run: only those that failed by then"),
        most: z.int().min(1).optional().describe("so many now, the oldest first; ask again for the others"),
        count: z.int().min(1).optional().describe("how many there are, as a person has typed it; not for a dry run"),
      })
      .refine(
        ({ module, reason, group, runs }) => [module, reason, group, runs].some((choice) => choice !== undefined),
        { message: "choose what to purge, by group, runs, reason or module" },
      ),
    answer: purged,
    async take(
      room,
      { body: { module, reason, group, runs, before = room.clock.now() + 1, most, count, ...how } },
      caller,
    ) {
      const { operator, target } = room;
      const flags = [
        ...flag("group", group),
        ...flag("reason", reason),
        ...flag("module", module),
        ...(runs === undefined ? [] : ["--run", ...runs]),
      ];
      const command = commandText(["dead", "purge", ...flags, ...target], how);
      const wanted: LettersChosen = runs
        ? await pLimit(AT_ONCE).map(runs, async (run) => (await letterOf(room, run)).letter)
        : {
            ...(module === undefined ? {} : { module: moduleNamed(module) }),
            ...(reason === undefined ? {} : { reason }),
            ...(group === undefined ? {} : { group: group.toLowerCase() }),
            closedBefore: before,
          };
      if (how.dryRun) {
        const { letters, ...plan } = await operator.planPurge(wanted);
        return { command, before, plan: { chosen: letters.length, ...plan } };
      }
      const letters = await operator.chosenLetters(wanted);
      const chosen = letters.length;
      if (count !== chosen)
        throw new ProblemError(
          "conflict",
          `Nothing was purged, because ${chosen} dead letters are chosen and not ${count ?? "named"}. Look again with a dry run, and send their count.`,
        );
      const { by } = await doingOf(caller, how, command);
      // The bus hands out the oldest first.
      const oldest = letters.toSorted((a, b) => a.closedAt - b.closedAt).slice(0, most);
      return { command, before, plan: { chosen }, done: await operator.purgeLetters(oldest, by) };
    },
  }),
  deed({
    path: "/audit/repair",
    name: "repairByAudit",
    says: "Compares bus, rows and cluster, and mends what needs no judgement.",
    params: nothing,
    query: nothing,
    body: doing,
    answer: acted,
    async take(room, { body }, caller) {
      refuseWrongFiles(room);
      return act(room, caller, body, ["audit", "--repair"], async (doingIt) => {
        const { findings } = await room.audit();
        return room.operator.mend(safeOf(findings), doingIt);
      });
    },
  }),
];

/** A plan as it is answered, without what was asked for and the names of all letters that it met. */
function shownPlan(plan: PlannedRedrive): Omit<RedrivePlan, "met"> {
  const { met: _, wanted: __, ...shown } = plan;
  return shown;
}

/** A message without a row gets one by the module that takes it, which nobody knows while one of the files is wrong. */
function refuseWrongFiles({ fileMistakes: [mistake] }: Room): void {
  if (mistake !== undefined)
    throw new ProblemError("conflict", `Nothing was done, because a module file is wrong. Mend it first: ${mistake}`);
}

/** Does what a person asked for, and answers with the command that does the same. */
async function act(
  { target }: Room,
  caller: Caller,
  how: Doings,
  words: readonly string[],
  doIt: (doing: Doing) => Promise<Answers>,
) {
  const command = commandText([...words, ...target], how);
  const answers = await doIt(await doingOf(caller, how, command));
  return { command, answers: named(answers) };
}

function named(answers: Answers) {
  return answers.map(([subject, answer]) => ({ ...answer, name: subject }));
}

async function doingOf(caller: Caller, { why, dryRun }: Doings, command: string): Promise<Doing> {
  const who = await caller.who(command);
  return { by: { who, ...(why === undefined ? {} : { why }) }, dryRun };
}

function forFlag(forMs: number | undefined): string[] {
  return flag("for", forMs === undefined ? undefined : durationText(forMs));
}

function untilOf({ clock }: Room, forMs: number | undefined): { readonly untilMs?: number } {
  return forMs === undefined ? {} : { untilMs: clock.now() + forMs };
}
