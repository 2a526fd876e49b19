import pLimit from "p-limit";
import type { Dependencies } from "../dependencies.ts";
import { errorText, UnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import { type ClusterView, viewCluster } from "../observe/cluster-view.ts";
import { knownSources } from "../observe/open-runs.ts";
import type { NotedLetter } from "../run/dead-letter.ts";
import type { Redrive, RedriveWanted } from "../run/redrive.ts";
import { type ClosedRun, type RunKey, runId } from "../run/run.ts";
import { type Source, sourceName } from "../run/source.ts";
import { acceptCluster } from "./accept-cluster.ts";
import { acceptLoss } from "./accept-loss.ts";
import { adoptMessage } from "./adopt-message.ts";
import { type Answer, already, refused } from "./answer.ts";
import { audit } from "./audit/audit.ts";
import type { AuditReport, Looked, SafeFinding } from "./audit/finding.ts";
import { mend } from "./audit/mend.ts";
import { subjectOf } from "./audit/subject.ts";
import type { By, Doing } from "./by.ts";
import { cancelRun } from "./cancel-run.ts";
import { chooseLetters, type LettersChosen } from "./chosen-letters.ts";
import { forceRun } from "./force-run.ts";
import type { ForcedOutcome } from "./forced-outcome.ts";
import { type Limiting, limitModule, resumeModule } from "./limit-module.ts";
import { openGate } from "./open-gate.ts";
import { type LettersPurged, type PurgePlan, type Purging, planPurge, purgeLetters } from "./purge-letters.ts";
import { abortRedrive, orderRedrive, type PlannedRedrive, planRedrives, type Redriving } from "./redrive-letters.ts";
import { rowlessMessages } from "./rowless-messages.ts";
import { runsNamed, sourcesNamed } from "./run-named.ts";
import { type ActionPage, type ActionsAsked, readActions } from "./views/actions.ts";
import { deadGroups, type FailureGroups } from "./views/dead-groups.ts";
import {
  type DeadLetterFound,
  deadLetter,
  deadLetters,
  type LettersListed,
  type LettersPage,
} from "./views/dead-letters.ts";
import { type Explanation, explain } from "./views/explain.ts";
import { type ExportedLetter, exportLetters } from "./views/export-letters.ts";
import { findRuns, type RunsFound, type SearchPage, searchRuns } from "./views/find-runs.ts";
import { type JobInCluster, showJob } from "./views/job.ts";
import { lastLines } from "./views/last-lines.ts";
import { type AttemptLog, followLogs, type LogPart, readLogs } from "./views/logs.ts";
import { listModules, type ModuleShown } from "./views/modules.ts";
import { type OtherLetterShown, type OtherLettersPage, otherLetter, otherLetters } from "./views/other-letters.ts";
import { type RunShown, showRun } from "./views/run.ts";
import { listRuns, type RunsPage, type RunsWanted } from "./views/runs.ts";
import { type Status, status } from "./views/status.ts";
import { waitForRun } from "./views/wait.ts";

/** Messages without a row that are taken on at once. Each takes some eight requests. */
const ADOPTED_AT_ONCE = 8;

/** What became of each thing that was asked for, by its name. */
export type Answers = readonly (readonly [name: string, answer: Answer])[];

/**
 * What an operator may ask of one instance, and do to it. Answers are data. An action is one conditional write for each
 * run, as a replica would make it, so that it is safe beside running replicas, and harmless if it is repeated. If a
 * dependency is away, that is the answer for the one thing that needed it; the others are done. Each action says who does
 * it, and leaves a row in the action log. A dry run answers what it would do, and writes nothing.
 */
export interface Operator {
  /** Shows what runs, what waits and why, and what is wrong, module by module: see `status.ts`. */
  status(): Promise<Status>;
  /** Lists runs, open or closed, page by page. Rejects with a WrongQueryError for a wrong source or page. */
  runs(wanted: RunsWanted, page: { readonly limit: number; readonly from?: string | undefined }): Promise<RunsPage>;
  /**
   * Finds the runs that an id may mean: a run's own, a message's or a correlation id. Undefined if there are none. The
   * views of one run take a key that was found.
   */
  find(id: string): Promise<RunsFound | undefined>;
  /** Finds the same page by page, each with what a list shows of it. Rejects with a WrongQueryError for a wrong page. */
  search(id: string, from?: string): Promise<SearchPage>;
  /** Shows everything of one run. Undefined if there is none; `newer` if a newer release wrote its row. */
  show(key: RunKey, options?: { readonly withContent?: boolean }): Promise<RunShown | "newer" | undefined>;
  /** Shows the Job of a run's last attempt, whole, and its events: see `job.ts`. Undefined and `newer` as with `show`. */
  job(key: RunKey): Promise<JobInCluster | "newer" | undefined>;
  /** Says why a run is where it is, what it waits for, and what comes next. Undefined and `newer` as with `show`. */
  explain(key: RunKey): Promise<Explanation | "newer" | undefined>;
  /** Reads the log of a run's last attempt, or of the one that is named. Undefined and `newer` as with `show`. */
  logs(key: RunKey, attempt?: number): Promise<AttemptLog | "newer" | undefined>;
  /** Reads the last line of each run that is at work, by the ids of the runs: see `last-lines.ts`. */
  lastLines(runIds: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Follows the log of a run, attempt by attempt, until it is closed. */
  followLogs(key: RunKey, options: { readonly signal: AbortSignal }): AsyncIterable<LogPart>;
  /** Resolves to a run once it is closed. Undefined if there is none, or `signal` aborts; `newer` as with `show`. */
  wait(key: RunKey, options?: { readonly signal?: AbortSignal }): Promise<ClosedRun | "newer" | undefined>;
  /** Lists the modules as their files have them, and what a person said of each. */
  modules(): Promise<readonly ModuleShown[]>;
  /** Finds where bus, rows and cluster disagree, and what only a person may decide: see `audit.ts`. Changes nothing. */
  audit(tell?: (looked: Looked) => void): Promise<AuditReport>;
  /** Mends what an audit found and needs no judgement: see `mend.ts`. `tell` is told how many are done. */
  mend(found: readonly SafeFinding[], how: Doing, tell?: (done: number) => void): Promise<Answers>;
  /** Lists what persons did, the newest first. Changes nothing. Rejects with an UnavailableError. */
  actions(page: ActionsAsked): Promise<ActionPage>;
  /** Gives the largest failure groups: see `dead-groups.ts`. */
  deadGroups(which: { readonly module?: string | undefined; readonly limit: number }): Promise<FailureGroups>;
  /** Lists dead letters, page by page: see `dead-letters.ts`. */
  deadLetters(
    wanted: LettersListed,
    page: { readonly limit: number; readonly after?: NotedLetter | undefined },
  ): Promise<LettersPage>;
  /** Shows a dead letter by the id of its run, or says why it is none. */
  deadLetter(runId: string, options?: { readonly withContent?: boolean }): Promise<DeadLetterFound>;
  /** Lists dead letters that no run of this Dispatcher left, page by page: see `other-letters.ts`. */
  otherLetters(page: { readonly limit: number; readonly after?: string | undefined }): Promise<OtherLettersPage>;
  /** Shows such a letter by the id that its run would have. Undefined if there is none. */
  otherLetter(id: string, options?: { readonly withContent?: boolean }): Promise<OtherLetterShown | undefined>;
  /** Gives the chosen dead letters with their messages: see `export-letters.ts`. */
  exportLetters(chosen: LettersChosen, onLook?: (looked: number) => void): AsyncIterable<ExportedLetter>;
  /** Lists all of the chosen dead letters, as their rows note them. */
  chosenLetters(chosen: LettersChosen): Promise<readonly NotedLetter[]>;
  /** Says what a purge of the chosen dead letters would do. Changes nothing. */
  planPurge(chosen: LettersChosen, onLook?: (looked: number) => void): Promise<PurgePlan>;
  /** Takes dead letters off the bus for good: see `purge-letters.ts`. Rejects if a dependency is away. */
  purgeLetters(letters: readonly NotedLetter[], by: By, how?: Purging): Promise<LettersPurged>;
  /** Says what redrives of the wanted dead letters would do: see `redrive-letters.ts`. Changes nothing. */
  planRedrives(all: readonly RedriveWanted[], onLook?: (looked: number) => void): Promise<readonly PlannedRedrive[]>;
  /** Orders a redrive of the wanted dead letters of a source, which the ticks carry out. */
  redrive(source: Source, wanted: RedriveWanted, how: Redriving): Promise<Answers>;
  /** Ends the redrive of a source, by its name. What was redriven goes on. */
  abortRedrive(source: string, how: Doing): Promise<Answers>;
  /** Lists the last redrive of each source, at work or over. */
  redrives(): Promise<readonly Redrive[]>;
  /** Takes on deferred messages that have no row, by the ids that their runs would have. */
  adopt(runIds: readonly string[], how: Doing): Promise<Answers>;
  /** Takes on every message without a row that the instance with this owner id deferred. */
  adoptAllOf(owner: string, how: Doing): Promise<Answers>;
  /** Gives up the Jobs of runs, and says what becomes of their messages. */
  force(runIds: readonly string[], as: ForcedOutcome, how: Doing): Promise<Answers>;
  /** Cancels runs, whatever they wait for. */
  cancel(runIds: readonly string[], how: Doing): Promise<Answers>;
  /** Opens gates, by names such as `module:thumbnail`, so that what is held there is judged. */
  openGates(gates: readonly string[], how: Doing): Promise<Answers>;
  /** Pauses a module: nothing of it starts, Jobs at work go on, and its messages wait. */
  pause(module: string, how: Limiting): Promise<Answers>;
  /** Lets so many Jobs of a module be at work, whatever its file says. */
  limit(module: string, slots: number, how: Limiting): Promise<Answers>;
  /** Lifts the pause or the limit of a module. */
  resume(module: string, how: Doing): Promise<Answers>;
  /** Takes the cluster that is seen for the one that the Jobs are in, and the Jobs that are absent for deleted. */
  acceptCluster(how: Doing): Promise<Answers>;
  /** Says that the missing messages of a held source are lost, so that their runs are closed. */
  acceptLoss(source: string, how: Doing): Promise<Answers>;
}

/** Makes the operator's room of an instance. Each change is told to `log`, as a replica would tell it. */
export function makeOperator(deps: Dependencies, log: Log): Operator {
  /** Does one thing to each run that is named. */
  async function toEach(runIds: readonly string[], act: (key: RunKey) => Promise<Answer>): Promise<Answers> {
    const answers: [string, Answer][] = [];
    for (const id of runIds) {
      const [key, another] = await runsNamed(deps, id);
      if (!key) answers.push([id, refused({ because: "unknown source" })]);
      else if (another) answers.push([id, refused({ because: "ambiguous name" })]);
      else answers.push([id, await act(key).catch(unavailable)]);
    }
    return answers;
  }
  /** Does one thing to each source of a name. */
  async function toSources(name: string, act: (source: Source) => Promise<Answer>): Promise<Answers> {
    const sources = await sourcesNamed(deps, name);
    if (sources.length === 0) return [[name, refused({ because: "unknown source" })]];
    return Promise.all(
      sources.map(async (source) => [sourceName(source), await act(source).catch(unavailable)] as const),
    );
  }
  const adoptBy = (view: ClusterView, how: Doing) => (key: RunKey) => adoptMessage(deps, key, view, how, log);

  return {
    status: () => status(deps),
    runs: (wanted, page) => listRuns(deps, wanted, page),
    find: (id) => findRuns(deps, id),
    search: (id, from) => searchRuns(deps, id, from),
    show: (key, options) => showRun(deps, key, options),
    job: (key) => showJob(deps, key),
    explain: (key) => explain(deps, key),
    logs: (key, attempt) => readLogs(deps, key, attempt),
    lastLines: (runIds) => lastLines(deps, runIds),
    followLogs: (key, options) => followLogs(deps, key, options),
    wait: (key, options) => waitForRun(deps, key, options),
    modules: () => listModules(deps),
    deadGroups: (which) => deadGroups(deps, which),
    deadLetters: (wanted, page) => deadLetters(deps, wanted, page),
    deadLetter: (id, options) => deadLetter(deps, id, options),
    otherLetters: (page) => otherLetters(deps, page),
    otherLetter: (id, options) => otherLetter(deps, id, options),
    exportLetters: (chosen, onLook) => exportLetters(deps, chosen, onLook),
    chosenLetters: async (chosen) =>
      (await chooseLetters(deps, chosen)).flatMap(({ letters }) => [...letters.values()]),
    planPurge: (chosen, onLook) => planPurge(deps, chosen, onLook),
    purgeLetters: (letters, by, how) => purgeLetters(deps, letters, by, log, how),
    planRedrives: (all, onLook) => planRedrives(deps, all, onLook),
    redrive: async (source, wanted, how) => [
      [sourceName(source), await orderRedrive(deps, source, wanted, how, log).catch(unavailable)],
    ],
    abortRedrive: (name, how) => toSources(name, (source) => abortRedrive(deps, source, how, log)),
    redrives: async () => (await deps.instanceTable.redrives()).map(({ redrive }) => redrive),
    audit: (tell) => audit(deps, tell),
    async mend(all, how, tell) {
      const answers: [string, Answer][] = [];
      for (const found of all) {
        answers.push([subjectOf(found), await mend(deps, found, how, log).catch(unavailable)]);
        tell?.(answers.length);
      }
      return answers;
    },
    actions: (page) => readActions(deps, page),
    adopt: async (runIds, how) => toEach(runIds, adoptBy(await viewCluster(deps), how)),
    async adoptAllOf(owner, how) {
      const adopt = adoptBy(await viewCluster(deps), how);
      const answers: [string, Answer][] = [];
      for (const source of await knownSources(deps))
        for await (const keys of rowlessMessages(deps, source, owner)) {
          const adoptOne = async (key: RunKey): Promise<[string, Answer]> => [
            runId(key),
            await adopt(key).catch(unavailable),
          ];
          answers.push(...(await pLimit(ADOPTED_AT_ONCE).map(keys, adoptOne)));
        }
      return answers.length > 0 ? answers : [[owner, already({ was: "nothing of this owner" })]];
    },
    force: (runIds, as, how) => toEach(runIds, (key) => forceRun(deps, key, as, how, log)),
    cancel: (runIds, how) => toEach(runIds, (key) => cancelRun(deps, key, how, log)),
    async openGates(gates, how) {
      const answers: [string, Answer][] = [];
      for (const gate of gates) answers.push([gate, await openGate(deps, gate, how, log).catch(unavailable)]);
      return answers;
    },
    pause: (module, how) => toModule(module, limitModule(deps, module, 0, how, log)),
    limit: (module, slots, how) => toModule(module, limitModule(deps, module, slots, how, log)),
    resume: (module, how) => toModule(module, resumeModule(deps, module, how, log)),
    acceptCluster: async (how) => [[deps.namespace, await acceptCluster(deps, how, log).catch(unavailable)]],
    acceptLoss: (name, how) => toSources(name, (source) => acceptLoss(deps, source, how, log)),
  };
}

async function toModule(module: string, answer: Promise<Answer>): Promise<Answers> {
  return [[module, await answer.catch(unavailable)]];
}

function unavailable(error: unknown): Answer {
  if (error instanceof UnavailableError) return refused({ because: "unavailable", detail: errorText(error) });
  throw error;
}
