import {
  type AuditReport,
  isSafe,
  type Looked,
  PHASES,
  type Phase,
  type ShownFinding,
} from "../../shared/operate/audit/finding.ts";
import { subjectOf } from "../../shared/operate/audit/subject.ts";
import { FORCED_OUTCOMES } from "../../shared/operate/forced-outcome.ts";
import { counted, timeText } from "../text/times.ts";

/** What was found. */
export function meaningText(found: ShownFinding, namespace: string): string {
  const subject = subjectOf(found);
  return `${subject === "" ? "" : `${subject}: `}${meaningOf(found, namespace)}`;
}

/** The command that mends a finding. Undefined if none does, because the next delivery or other module files do. */
export function commandFor(found: ShownFinding, namespace: string): string | undefined {
  switch (found.kind) {
    case "another cluster":
    case "mass absence":
      return "dispatcher repair --accept-cluster";
    case "source held":
      return found.removed.length > 0 ? undefined : `dispatcher repair --accept-loss '${found.source}'`;
    case "shut gate":
      return `dispatcher repair --open-gate '${found.gate}'`;
    case "file missing":
      return `dispatcher runs cancel '${found.first}'`;
    case "overdue Job":
      // A shell would take bare bars for pipes, and the first outcome for the chosen one. The command refuses it quoted.
      return `dispatcher repair --force '${found.runId}' --as '${FORCED_OUTCOMES.join("|")}'`;
    case "stray Job":
      return `kubectl -n ${namespace} delete job ${found.jobName}`;
    case "orphan message":
      return `dispatcher repair --adopt '${subjectOf(found)}'`;
    case "undeferred message":
      return `dispatcher runs explain '${found.runId}'`;
    case "missing message":
      return `dispatcher runs cancel '${found.runId}'`;
    case "letters gone":
      return isSafe(found) ? BY_AUDIT : `dispatcher dead purge --gone --module '${found.module || "-"}'`;
    case "missing Job":
    case "unrecorded Job":
    case "unretired Job":
    case "message without a row":
    case "message of a closed run":
    case "lock without a run":
    case "run without a lock":
    case "search rows":
      return BY_AUDIT;
    // The next ticks hold the source, and then it is a finding of that kind.
    case "messages missing":
      return undefined;
    default:
      return found satisfies never;
  }
}

/** The command that mends what needs no judgement. */
export const BY_AUDIT = "dispatcher audit --repair";

function meaningOf(found: ShownFinding, namespace: string): string {
  switch (found.kind) {
    case "another cluster": {
      const { record, uid, atWork } = found;
      return `namespace ${namespace} (uid ${uid}) is not the one that the ${counted(atWork, "Job")} at work are in, which is ${record.namespace} (uid ${record.uid ?? "unknown"}). Point the Dispatcher back at that one, or if it is gone`;
    }
    case "mass absence":
      return `${counted(found.absent, "Job")} are absent from namespace ${namespace}, too many to believe it. If they are really gone`;
    case "source held": {
      const what =
        found.because === "entity missing"
          ? "the bus has no such queue or subscription"
          : "most of its messages are missing";
      return `held since ${timeText(found.since)}, because ${what}. ${orFile(found.removed, "If they are really lost")}`;
    }
    case "messages missing":
      return `${found.missing} of the messages of its ${counted(found.looked, "open run")} are gone from the bus. ${orFile(found.removed, "Look whether the setting of the bus names the right namespace. The next ticks hold the source, and then dispatcher repair --accept-loss closes its runs")}`;
    case "shut gate": {
      const many = found.mayBeMore ? `${found.held} or more messages` : counted(found.held, "message");
      return `${many} are held that would be rejected (the last that was: ${found.problem}). Mend the module file, or dead-letter them`;
    }
    case "file missing":
      return `${counted(found.waiting, "run")} of module ${found.module} wait for its file, which is gone. Put the file of ${found.module} back, or give them up one by one`;
    case "overdue Job":
      return `Job ${found.jobName} is not over, ${Math.round(found.overdueMs / 60_000)} min after the time limit of its pod`;
    case "missing Job":
      return `its row says that Job ${found.jobName} is at work, and there is no such Job`;
    case "unrecorded Job":
      return `Job ${found.jobName} is there, and its row doesn't say so`;
    case "unretired Job":
      return `Job ${found.jobName} is of its attempt ${found.attempt}, which is over, and was never retired`;
    case "stray Job":
      return found.runId === undefined
        ? "a Job whose annotations name no run. If you know why it is there"
        : `a Job of run ${found.runId}, which has neither a row nor a message. If you know why it is there`;
    case "message without a row":
      return `a deferred message (id ${JSON.stringify(found.messageId)}) that this instance deferred, without a row`;
    case "orphan message": {
      const owner =
        found.owner === undefined ? "no owner's stamp" : `the stamp of owner ${JSON.stringify(found.owner)}`;
      const module = found.module === undefined ? "no module takes it" : `module ${found.module} takes it`;
      return `a deferred message (id ${JSON.stringify(found.messageId)}) without a row, with ${owner}; ${module}`;
    }
    case "message of a closed run":
      return `its message is deferred, though the run is closed (${found.status})`;
    case "undeferred message":
      return `its message is active, though the run is ${found.status}. Its next delivery mends that; if it lasts`;
    case "missing message":
      return `its message is gone from the bus, though the run is ${found.status}. Its run is closed when its turn comes or its Job is over; to end it now`;
    case "lock without a run":
      return "a row says that the run is open, and the run itself is nowhere: somebody deleted its row";
    case "run without a lock":
      return "the row is gone that locks its identity, so that it can't be closed: somebody deleted that row";
    case "search rows":
      return `${counted(found.rows.length, "row")} by which people find runs ${found.rows.length === 1 ? "is" : "are"} of runs that are gone`;
    case "letters gone":
      return `${counted(found.letters.length, "row")} of dead letters of ${found.module === "" ? "no module" : `module ${found.module}`} (of ${found.noted}) whose letters are gone from the dead letter queue${isSafe(found) ? "" : ", which are all of them. Look whether the setting of the bus names the right namespace, and if it does"}`;
    default:
      return found satisfies never;
  }
}

/** Names the files to put back, if the modules are gone; what else is to do if they are not. */
function orFile(removed: readonly string[], otherwise: string): string {
  if (removed.length === 0) return otherwise;
  const files = removed.map((module) => `module ${module}`).join(", ");
  return `No module file names it any more: put the file of ${files} back, and everything goes on`;
}

const LOOKED: Readonly<Record<Phase, string>> = {
  "open runs": "open run",
  Jobs: "Job",
  messages: "message",
  "dead letters": "dead letter",
  rows: "row",
};

/** Says how far an audit is. Its parts are under way side by side. */
export function progressText(looked: Looked): string {
  const begun = PHASES.filter((phase) => looked[phase] > 0);
  return `looked at ${lookedAt(looked, begun)}`;
}

/** Says how much was found, and what was looked at. */
export function lookedText({ findings, looked, unfinished }: AuditReport): string {
  const nothing = unfinished.length > 0 ? "found nothing so far" : "nothing needs to be repaired";
  const found = findings.length === 0 ? nothing : `found ${counted(findings.length, "thing")}`;
  return `${found}: looked at ${lookedAt(looked, PHASES)}`;
}

function lookedAt(looked: Looked, phases: readonly Phase[]): string {
  return phases.map((phase) => counted(looked[phase], LOOKED[phase])).join(", ");
}

/** Says of each Job that belongs to no run so far when an audit can judge it. */
export function tooYoungText({ tooYoung }: Pick<AuditReport, "tooYoung">): string[] {
  return tooYoung.map(
    ({ jobName, judgedAt }) =>
      `Job ${jobName} belongs to no run so far, and is too young to be judged. Audit again after ${timeText(judgedAt)}`,
  );
}

/** Says how far each look came that was cut off. */
export function cutOffText({ looked, unfinished }: AuditReport): string[] {
  return unfinished.map(({ phase, detail }) => {
    const rest = phase === "open runs" ? " Without the open runs nothing else can be compared." : "";
    return `error: the look at the ${phase} was cut off after ${counted(looked[phase], LOOKED[phase])}: ${detail}${rest}`;
  });
}
