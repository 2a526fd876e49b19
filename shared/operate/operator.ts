import type { Dependencies } from "../dependencies.ts";
import { errorText, UnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import { type ClusterView, viewCluster } from "../observe/cluster-view.ts";
import { knownSources } from "../observe/open-runs.ts";
import { type RunKey, runId } from "../run/run.ts";
import { sourceName } from "../run/source.ts";
import { acceptCluster } from "./accept-cluster.ts";
import { acceptLoss } from "./accept-loss.ts";
import { adoptMessage } from "./adopt-message.ts";
import { type Answer, already, refused } from "./answer.ts";
import { type AuditFinding, audit } from "./audit.ts";
import type { Doing } from "./by.ts";
import { cancelRun } from "./cancel-run.ts";
import { forceRun } from "./force-run.ts";
import type { ForcedOutcome } from "./forced-outcome.ts";
import { type Limiting, limitModule, resumeModule } from "./limit-module.ts";
import { openGate } from "./open-gate.ts";
import { rowlessMessages } from "./rowless-messages.ts";
import { runsNamed, sourcesNamed } from "./run-named.ts";
import { type ActionPage, type ActionsAsked, readActions } from "./views/actions.ts";

/** What became of each thing that was asked for, by its name. */
export type Answers = readonly (readonly [name: string, answer: Answer])[];

/**
 * What an operator may ask of one instance, and do to it. Answers are data. An action is one conditional write for each
 * run, as a replica would make it, so that it is safe beside running replicas, and harmless if it is repeated. If a
 * dependency is away, that is the answer for the one thing that needed it; the others are done. Each action says who does
 * it, and leaves a row in the action log. A dry run answers what it would do, and writes nothing.
 */
export interface Operator {
  /**
   * Lists what only an operator may decide. Changes nothing. Rejects with an UnavailableError if something can't be
   * read.
   */
  audit(): Promise<readonly AuditFinding[]>;
  /** Lists what persons did, the newest first. Changes nothing. Rejects with an UnavailableError. */
  actions(page: ActionsAsked): Promise<ActionPage>;
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
  limit(module: string, places: number, how: Limiting): Promise<Answers>;
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
  const adoptBy = (view: ClusterView, how: Doing) => (key: RunKey) => adoptMessage(deps, key, view, how, log);

  return {
    audit: () => audit(deps),
    actions: (page) => readActions(deps, page),
    adopt: async (runIds, how) => toEach(runIds, adoptBy(await viewCluster(deps), how)),
    async adoptAllOf(owner, how) {
      const adopt = adoptBy(await viewCluster(deps), how);
      const answers: [string, Answer][] = [];
      for (const source of await knownSources(deps))
        for (const rowless of await rowlessMessages(deps, source))
          if (rowless.owner === owner) answers.push([runId(rowless.key), await adopt(rowless.key).catch(unavailable)]);
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
    limit: (module, places, how) => toModule(module, limitModule(deps, module, places, how, log)),
    resume: (module, how) => toModule(module, resumeModule(deps, module, how, log)),
    acceptCluster: async (how) => [[deps.namespace, await acceptCluster(deps, how, log).catch(unavailable)]],
    async acceptLoss(name, how) {
      const sources = await sourcesNamed(deps, name);
      if (sources.length === 0) return [[name, refused({ because: "unknown source" })]];
      return Promise.all(
        sources.map(
          async (source) => [sourceName(source), await acceptLoss(deps, source, how, log).catch(unavailable)] as const,
        ),
      );
    },
  };
}

async function toModule(module: string, answer: Promise<Answer>): Promise<Answers> {
  return [[module, await answer.catch(unavailable)]];
}

function unavailable(error: unknown): Answer {
  if (error instanceof UnavailableError) return refused({ because: "unavailable", detail: errorText(error) });
  throw error;
}
