import { z } from "zod";
import { shownFinding } from "../operate/audit/finding.ts";
import { subjectOf } from "../operate/audit/subject.ts";
import { jobYaml } from "../operate/views/job.ts";
import { mapFound } from "../operate/views/sought.ts";
import { present } from "../plain-data.ts";
import { meantOf } from "../run/dead-letter.ts";
import { moduleNamed } from "../run/module-named.ts";
import { REASONS } from "../run/reasons.ts";
import { CLOSED_STATUSES, OPEN_STATUSES, type RunKey, runId } from "../run/run.ts";
import * as answers from "./answers.ts";
import { isAtLeast } from "./caller.ts";
import { quoted } from "./command-text.ts";
import { letterOf } from "./letter-of.ts";
import { ProblemError } from "./problem.ts";
import { look, type Room, type Route } from "./route.ts";
import { shownContent } from "./shown-content.ts";
import { TIME_IN_REQUEST, timeInRequest, withTimes } from "./time-span.ts";

/** The most that an id of a run or a message may be long. */
const MOST_ID = 1_024;

const nothing = z.strictObject({});
const text = z.string().max(MOST_ID);
const limit = z.coerce.number().int().min(1).max(1_000).default(100).describe("so many at most");
const ofRun = z.strictObject({ run: text.describe("its id, or the id or correlation id of its message") });
const ofLetter = z.strictObject({ run: text.describe("the id of its run") });
const ofOther = z.strictObject({ letter: text.describe("the id that its run will have if it is redriven") });
const exitCode = z
  .string()
  .regex(/^\d+$/, { error: "Give a whole number from 0 to 255." })
  .pipe(z.coerce.number<string>().int().max(255))
  .optional();
/** The last lines of so many runs are read at once, because each takes two requests to the cluster. */
const MOST_LINES = 100;
const runIds = z
  .string()
  .max(MOST_LINES * MOST_ID)
  .transform((ids) => ids.split(","))
  .pipe(z.array(text.min(1)).max(MOST_LINES));
const moduleFilter = z.string().max(63).describe("- for messages that no module took").optional();

/** Everything that may be asked for, and that changes nothing. */
export const LOOKS: readonly Route[] = [
  look({
    path: "/session",
    name: "session",
    says: "Says which Dispatcher this is, and what you may do here.",
    params: nothing,
    query: nothing,
    answer: answers.session,
    async give({ instance, namespace, place, target, version, mayChange }, _, { role }) {
      return {
        instance,
        namespace,
        place,
        target: target.map((word) => ` ${quoted(word)}`).join(""),
        version,
        role,
        mayChange: mayChange && isAtLeast(role, "operator"),
      };
    },
  }),
  look({
    path: "/status",
    name: "status",
    says: "Shows what runs, what waits and why, and what is wrong, module by module.",
    params: nothing,
    query: nothing,
    answer: answers.status,
    async give({ operator }) {
      const { redrives, ...rest } = await operator.status();
      return { ...rest, redrives: redrives.map((redrive) => ({ ...redrive })) };
    },
  }),
  look({
    path: "/runs",
    name: "listRuns",
    says: "Lists runs, open or closed, page by page. A page may be short, and yet have a next one.",
    params: nothing,
    query: z.strictObject({
      module: moduleFilter,
      status: z.enum([...OPEN_STATUSES, ...CLOSED_STATUSES]).optional(),
      source: text.optional().describe("as run ids begin with it"),
      which: z.enum(["open", "closed"]).optional(),
      exitCode: exitCode.describe("of the last attempt, of runs that are over"),
      since: timeInRequest.describe(
        `only messages enqueued from then on: ${TIME_IN_REQUEST}; of closed runs, by default the last 24 hours`,
      ),
      until: timeInRequest.describe("only messages enqueued before, likewise"),
      limit,
      from: z.string().max(4_096).optional().describe("`next` of the page before"),
    }),
    answer: answers.runsPage,
    async give({ operator, clock }, { query: { limit: most, from, module, ...wanted } }) {
      const which = present({ ...withTimes(wanted, clock.now()), module: moduleNamed(module) });
      const page = await operator.runs(which, { limit: most, from });
      return { ...page, runs: page.runs.map(withId) };
    },
  }),
  look({
    path: "/search",
    name: "search",
    says: "Finds the runs that an id may mean: a run's own, a message's, or a correlation id, page by page.",
    params: nothing,
    query: z.strictObject({
      id: text.min(1),
      after: z.string().max(4_096).optional().describe("`next` of the page before"),
    }),
    answer: answers.found,
    give: ({ operator }, { query }) => operator.search(query.id, query.after),
  }),
  look({
    path: "/runs/{run}",
    name: "showRun",
    says: "Shows all that row, bus and cluster know of one run, but not its message's body and properties.",
    params: ofRun,
    query: nothing,
    answer: answers.runShown,
    async give({ operator }, { params }) {
      const key = await oneRun(operator, params.run);
      const shown = known(await operator.show(key), key);
      return { ...shown, run: withId(shown.run) };
    },
  }),
  look({
    path: "/runs/{run}/content",
    name: "showContent",
    says: "Shows body and properties of a run's message, as long as it is on the bus.",
    role: "operator",
    params: ofRun,
    query: nothing,
    answer: answers.content,
    async give({ operator }, { params }) {
      const key = await oneRun(operator, params.run);
      const { message } = known(await operator.show(key, { withContent: true }), key);
      return mapFound(message, shownContent);
    },
  }),
  look({
    path: "/runs/{run}/job",
    name: "showJob",
    says: "Shows the Job of a run's last attempt as the cluster has it, and the events of it and of its pods.",
    // A small message stands in its Job.
    role: "operator",
    params: ofRun,
    query: nothing,
    answer: answers.jobInCluster,
    async give({ operator }, { params }) {
      const key = await oneRun(operator, params.run);
      const { job, ...rest } = known(await operator.job(key), key);
      return { ...rest, job: mapFound(job, (found) => ({ yaml: jobYaml(found) })) };
    },
  }),
  look({
    path: "/runs/{run}/explanation",
    name: "explainRun",
    says: "Says why a run is where it is, what it waits for, and what comes next.",
    params: ofRun,
    query: nothing,
    answer: answers.explanation,
    async give({ operator }, { params }) {
      const key = await oneRun(operator, params.run);
      const explained = known(await operator.explain(key), key);
      // Each kind by itself, because the compiler tells the kinds apart no more once they are spread.
      return explained.kind === "closed"
        ? { ...explained, run: withId(explained.run) }
        : { ...explained, run: withId(explained.run), decision: { ...explained.decision } };
    },
  }),
  look({
    path: "/runs/{run}/logs",
    name: "readLogs",
    says: "Gives the last part of what the worker wrote: from its pod while that is there, then from what was kept.",
    params: ofRun,
    query: z.strictObject({ attempt: z.coerce.number().int().min(1).max(100_000).optional() }),
    answer: answers.logs,
    async give({ operator }, { params, query }) {
      const key = await oneRun(operator, params.run);
      const { run, ...log } = known(await operator.logs(key, query.attempt), key);
      return { ...log, isOpen: !("closedAt" in run) };
    },
  }),
  look({
    path: "/last-lines",
    name: "readLastLines",
    says: "Gives the last line that each of these runs wrote, of those that are at work and wrote any.",
    params: nothing,
    query: z.strictObject({ runs: runIds.describe(`ids of runs, with commas between, at most ${MOST_LINES}`) }),
    answer: answers.lastLines,
    give: async ({ operator }, { query }) => ({ lines: Object.fromEntries(await operator.lastLines(query.runs)) }),
  }),
  look({
    path: "/failure-groups",
    name: "listFailureGroups",
    says: "Lists what failed: dead letters by module, reason, exit code and last words, the largest group first.",
    params: nothing,
    query: z.strictObject({ module: moduleFilter, limit }),
    answer: answers.failureGroups,
    async give({ operator }, { query }) {
      const found = await operator.deadGroups({ module: moduleNamed(query.module), limit: query.limit });
      return { ...found, groups: found.groups.map((group) => ({ ...group, sample: withId(group.sample) })) };
    },
  }),
  look({
    path: "/dead-letters",
    name: "listDeadLetters",
    says: "Lists dead letters by source, module, reason and group, the newest of each group first, page by page.",
    params: nothing,
    query: z.strictObject({
      module: moduleFilter,
      reason: z.enum(REASONS).optional(),
      group: z.string().max(64).optional().describe("the id of a failure group"),
      exitCode: exitCode.describe("of the last attempt"),
      since: timeInRequest.describe(`only those that failed from then on: ${TIME_IN_REQUEST}`),
      until: timeInRequest.describe("only those that failed before, likewise"),
      limit,
      after: text.optional().describe("`next` of the page before"),
    }),
    answer: answers.lettersPage,
    async give({ operator, clock }, { query: { module, limit: most, after, ...wanted } }) {
      const last = after === undefined ? undefined : (await letterOf({ operator }, after)).letter;
      const which = present({ ...withTimes(wanted, clock.now()), module: moduleNamed(module) });
      const { letters, scanned, next } = await operator.deadLetters(which, { limit: most, after: last });
      return { letters: letters.map(withId), scanned, ...(next ? { next: runId(next) } : {}) };
    },
  }),
  look({
    path: "/dead-letters/{run}",
    name: "showDeadLetter",
    says: "Shows all that is known of one dead letter, but not its body.",
    params: ofLetter,
    query: nothing,
    answer: answers.letterShown,
    async give(room, { params }) {
      const { letter, run, onBus } = await letterOf(room, params.run);
      return { letter: withId(letter), run: withId(run), onBus };
    },
  }),
  look({
    path: "/dead-letters/{run}/content",
    name: "showDeadLetterContent",
    says: "Shows body and properties of a dead letter, as long as it is on the bus.",
    role: "operator",
    params: ofLetter,
    query: nothing,
    answer: answers.content,
    async give(room, { params }) {
      const { onBus } = await letterOf(room, params.run, { withContent: true });
      return mapFound(onBus, shownContent);
    },
  }),
  look({
    path: "/other-letters",
    name: "listOtherDeadLetters",
    says: "Lists dead letters that no run left, but the bus, a sender or another program, source by source, page by page.",
    params: nothing,
    query: z.strictObject({ limit, after: text.optional().describe("`next` of the page before") }),
    answer: answers.otherLettersPage,
    async give({ operator }, { query }) {
      const { letters, scanned, next } = await operator.otherLetters(query);
      return { letters: letters.map(withId), scanned, ...(next ? { next: runId(next) } : {}) };
    },
  }),
  look({
    path: "/other-letters/{letter}",
    name: "showOtherDeadLetter",
    says: "Shows such a dead letter, but not its body.",
    params: ofOther,
    query: nothing,
    answer: answers.otherLetterShown,
    async give({ operator }, { params }) {
      const { letter, onBus } = await otherLetter(operator, params.letter);
      return { letter: withId(letter), onBus };
    },
  }),
  look({
    path: "/other-letters/{letter}/content",
    name: "showOtherDeadLetterContent",
    says: "Shows body and properties of such a dead letter.",
    role: "operator",
    params: ofOther,
    query: nothing,
    answer: answers.content,
    async give({ operator }, { params }) {
      const { onBus } = await otherLetter(operator, params.letter, { withContent: true });
      return { found: shownContent(onBus) };
    },
  }),
  look({
    path: "/redrives",
    name: "listRedrives",
    says: "Lists the last redrive of each source, at work or over.",
    params: nothing,
    query: nothing,
    answer: answers.redrives,
    give: async ({ operator }) => ({ redrives: (await operator.redrives()).map((redrive) => ({ ...redrive })) }),
  }),
  look({
    path: "/modules",
    name: "listModules",
    says: "Lists the modules as their files have them, and what a person said of each.",
    params: nothing,
    query: nothing,
    answer: answers.modules,
    give: async ({ operator }) => ({ modules: (await operator.modules()).map((module) => ({ ...module })) }),
  }),
  look({
    path: "/audit",
    name: "audit",
    says: "Compares bus, rows and cluster, and lists where they disagree and what only a person may decide.",
    params: nothing,
    query: nothing,
    answer: answers.auditReport,
    async give(room) {
      const { findings, ...rest } = await room.audit();
      return { ...rest, findings: findings.map((one) => ({ ...shownFinding(one), subject: subjectOf(one) })) };
    },
  }),
  look({
    path: "/actions",
    name: "listActions",
    says: "Lists what persons did, when and why, the newest first, page by page.",
    params: nothing,
    query: z.strictObject({
      limit,
      after: z.string().max(256).optional().describe("`next` of the page before"),
      run: text.optional().describe("only what was done to this run, by its id or an id of its message"),
    }),
    answer: answers.actionsPage,
    async give({ operator }, { query: { limit: most, after, run } }) {
      const key = run === undefined ? undefined : await oneRun(operator, run);
      return operator.actions({ limit: most, ...present({ after, run: key }) });
    },
  }),
];

/** Finds the one run that an id means. Throws a ProblemError if there is none, or several. */
async function oneRun(operator: Room["operator"], id: string): Promise<RunKey> {
  const found = await operator.find(id);
  if (!found)
    throw new ProblemError(
      "not-found",
      "No run has this id, and no message of a run has it as its id or correlation id. Look for it in the list of runs.",
    );
  const meant = meantOf(found.keys);
  if (meant) return meant;
  const runs = found.keys.toSorted((a, b) => b.enqueuedAt - a.enqueuedAt).map(runId);
  throw new ProblemError("conflict", `Several runs have this ${found.by}. Give the id of one run.`, { runs });
}

/** Takes what a view answered about a run that was there just now. */
function known<Answer>(answer: Answer | "newer" | undefined, key: RunKey): Answer {
  if (answer === undefined) throw new ProblemError("not-found", `Run ${runId(key)} is gone: its history ended.`);
  if (answer !== "newer") return answer;
  throw new ProblemError("newer-release", `A newer release wrote the row of run ${runId(key)}. Ask that release.`);
}

/** Finds a dead letter that no run left. Throws a ProblemError if there is none. */
async function otherLetter(operator: Room["operator"], ...asked: Parameters<Room["operator"]["otherLetter"]>) {
  const found = await operator.otherLetter(...asked);
  if (found) return found;
  throw new ProblemError(
    "not-found",
    `No dead letter of others has the id ${asked[0]} any more. Look for it among the dead letters of runs.`,
  );
}

function withId<Any extends RunKey>(run: Any) {
  return { id: runId(run), ...run };
}
