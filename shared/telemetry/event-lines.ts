import { errorText, UnavailableError } from "../errors.ts";
import type { Fields, Log } from "../log.ts";
import type { ClusterRecord, ClusterSight } from "../run/cluster-record.ts";
import type { ModuleLimit } from "../run/module-limit.ts";
import { attemptsHad } from "../run/run.ts";
import type { HoldReason } from "../run/source-hold.ts";
import type { DomainEvent } from "./domain-event.ts";

type Line = readonly [level: "info" | "warn" | "error", message: string, fields?: Fields];

/** Writes the log line of an event, if it has one: what happens to thousands of runs in every tick is only counted. */
export function writeLine(log: () => Log, event: DomainEvent): void {
  const line = lineOf(event);
  if (line === undefined) return;
  const [level, message, fields] = line;
  log()[level](message, fields);
}

function lineOf(event: DomainEvent): Line | undefined {
  switch (event.event) {
    case "rejected":
      return ["info", "rejected a message", { module: event.run.module, why: event.run.verdict?.description }];
    case "held":
      return ["info", "held a message that would be rejected", { gate: event.gate, why: event.run.lastError }];
    case "dispatched":
      if (event.by === "delivery") return undefined;
      return ["info", "started a job", { jobName: event.run.jobName, attempt: event.run.attempt }];
    case "adopted":
      return ["info", "adopted a job", { jobName: event.run.jobName, attempt: event.run.attempt }];
    case "held up": {
      const { cause, detail: why } = event.hold;
      return ["warn", "a job can't start yet", { jobName: event.run.jobName, cause, why }];
    }
    case "preempted": {
      const { jobName, attempt } = event.run;
      return [
        "warn",
        "a job was suspended while it ran; its attempt begins anew when it is resumed",
        { jobName, attempt },
      ];
    }
    case "end ordered":
      return ["warn", "ending a job", { jobName: event.jobName, why: event.end.detail }];
    case "attempt ended": {
      const { detail: why, kind } = event.end;
      return ["warn", "an attempt ended", { why, kind, attempt: event.run.attempt }];
    }
    case "requeued":
      return ["info", "requeued a message", { attempt: event.run.attempt, waitMs: event.waitMs }];
    case "concluded": {
      const { outcome, reason, description } = event.run.verdict ?? {};
      // The line of the run's closing follows, and says no less.
      if (outcome === "succeeded") return undefined;
      return ["info", "reached a verdict", { outcome, reason, why: description }];
    }
    case "closed": {
      const { status: outcome, verdict } = event.run;
      const fields = { outcome, reason: verdict?.reason, attempts: attemptsHad(event.run) };
      if (outcome === "lost") return ["error", "closed a run as lost: its message is gone from the bus", fields];
      return ["info", "closed a run", fields];
    }
    case "reopened":
      return ["warn", "reopened a lost run: its message turned up"];
    case "rebuilt":
      return ["error", "rebuilt a lost row from its message", { module: event.run.module }];
    // The line of the delivery says it.
    case "accepted":
    case "left":
    case "postponed":
      return undefined;
    case "failed":
      return failureLine(event.what, event.error, event.fields);
    case "module tripped": {
      const { module, why } = event;
      return ["error", "tripped a module: its jobs can't start; its messages wait until one does", { module, why }];
    }
    case "module probed":
      return ["info", "probing a tripped module", { module: event.module }];
    case "module recovered":
      return ["info", "a module recovered: a job of it started", { module: event.module }];
    case "module backed up":
      return [
        "error",
        "stopped starting jobs of a module: too many of its runs wait to be settled",
        { module: event.module },
      ];
    case "module caught up":
      return ["warn", "starting jobs of a module again: its runs were settled", { module: event.module }];
    case "module paused":
      return ["warn", "a module is paused by a person; its messages wait", limitFields(event.limit)];
    case "module limited":
      return ["warn", "a module is limited by a person", { ...limitFields(event.limit), slots: event.limit.slots }];
    case "module resumed":
      return ["warn", "a module is no longer paused or limited", { module: event.module }];
    case "another cluster seen":
      return ["error", "saw another cluster than the jobs are in; nothing is started, judged or retired", seen(event)];
    case "cluster changing":
      return ["warn", "saw another cluster while no job is at work; it is taken in two minutes", seen(event)];
    case "cluster changed":
      return ["warn", "took another cluster for the jobs, because none was at work in the old one", seen(event)];
    case "jobs missing": {
      const { absent, namespace } = event;
      const message = "too many jobs are missing at once to believe it: is this the right cluster and namespace?";
      return ["error", message, { absent, namespace }];
    }
    case "source held": {
      const { because, since } = event.hold;
      return [
        "error",
        `held a source: ${HELD[because]}`,
        { source: event.source, since: new Date(since).toISOString() },
      ];
    }
    case "source released":
      return ["warn", "a source is held no more: what was missing is there", { source: event.source }];
    case "gate shut": {
      const { gate, why } = event;
      const message = "holding messages that would be rejected: so were ten in a row, and none was accepted";
      return ["error", message, { gate, why }];
    }
    case "gate opened":
      return ["warn", "judging the held messages of a gate: a message was accepted", { gate: event.gate }];
    case "orphan found":
      if (!event.leftAlone) return undefined;
      return event.orphan === "job"
        ? ["error", "found a job that no run speaks of; it is left alone"]
        : ["error", "found a deferred message without a row, and no module takes it; it is left alone"];
    case "settled late":
      return ["error", "settled a message whose run was closed before it"];
    case "foreign messages found": {
      const { source, count } = event;
      const message = "found deferred messages that are not this Dispatcher's; they are left alone";
      return ["error", message, { source, count }];
    }
    case "undelivered message found": {
      const { source, sequenceNumber, ageMs } = event;
      return ["error", "a source delivers nothing, though it has messages", { source, sequenceNumber, ageMs }];
    }
    default:
      return event satisfies never;
  }
}

const HELD: Readonly<Record<HoldReason, string>> = {
  "entity missing": "the bus has no such queue or subscription",
  "messages missing": "too many of its messages are missing to believe it; is this the right namespace?",
};

function limitFields({ module, who, why, since, until }: ModuleLimit): Fields {
  return {
    module,
    who,
    why,
    since: new Date(since).toISOString(),
    until: until === undefined ? undefined : new Date(until).toISOString(),
  };
}

/** The namespace that is recorded, and the one that is seen. */
function seen({ record, sight }: { readonly record: ClusterRecord; readonly sight: ClusterSight }): Fields {
  return { namespace: sight.namespace, uid: sight.uid, recordedNamespace: record.namespace, recordedUid: record.uid };
}

/** A warning if it passes by itself; if not, it is a bug, and an error with its stack. */
function failureLine(what: string, error: unknown, fields: Fields = {}): Line {
  const why = errorText(error);
  if (error instanceof UnavailableError) return ["warn", what, { ...fields, why }];
  const stack = error instanceof Error && error.stack ? { stack: error.stack } : {};
  return ["error", what, { ...fields, why, ...stack }];
}
