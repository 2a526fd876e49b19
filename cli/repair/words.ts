import { commandText } from "../../shared/api/command-text.ts";
import type { Answer } from "../../shared/operate/answer.ts";
import type { SafeFinding } from "../../shared/operate/audit/finding.ts";
import type { ModuleLimit } from "../../shared/run/module-limit.ts";
import { timeText } from "../text/times.ts";

/** What an answer of the operator's room says to a person of the thing that was named: in one sentence. */
export function answerText(answer: Answer, name: string): string {
  switch (answer.kind) {
    case "done":
    case "would":
      return doneText(answer);
    case "already":
      return alreadyText(answer);
    case "refused":
      return refusedText(answer, name);
    default:
      return answer satisfies never;
  }
}

function doneText(answer: Answer & { kind: "done" | "would" }): string {
  switch (answer.did) {
    case "adopted":
      return `the next tick goes on with it as attempt ${answer.attempt} of module ${answer.module}`;
    case "adopted to be rejected":
      return "no module takes it, so the next tick dead-letters it";
    case "adopted to be judged":
      return "it was held before, so a tick judges it once its gate is not shut";
    case "adopted by the sweep":
      return "the sweep saw the stamp first, and made its row";
    case "stamped":
      return "it had a row already, and carries this instance's stamp now";
    case "accepted the cluster":
      return `its namespace is recorded, and ${answer.jobs} absent Jobs count as deleted: the next attempts of their runs follow`;
    case "accepted the loss":
      return "the next ticks close its runs whose messages are missing, and the others go on";
    case "ordered the end":
      return "the Dispatcher ends its Job within 10 s, and then dead-letters its message";
    case "recorded a verdict": {
      const follows = `the next tick ${answer.outcome === "succeeded" ? "completes" : "dead-letters"} its message`;
      return answer.last ? `that was its last attempt, so ${follows}` : follows;
    }
    case "recorded the next attempt":
      return `attempt ${answer.attempt} follows`;
    case "opened the gate":
      return "the next ticks judge what is held there, accept what fits, and dead-letter the rest";
    case "mended":
      return MENDED[answer.what];
    case "limited":
      return `within 10 s, ${startsText(answer)}`;
    case "resumed":
      return "what waited starts within 10 s, the message enqueued first at the front";
    case "ordered a redrive":
      return `within 10 s the Dispatcher begins to redrive ${answer.most === undefined ? "them" : `${answer.most} of them`}, at most ${answer.perSecond} a second`;
    case "aborted a redrive":
      return `${answer.redriven} dead letters were redriven until now, and their runs go on`;
    default:
      return answer satisfies never;
  }
}

/** What follows once the audit has mended something. */
const MENDED: Readonly<Record<SafeFinding["kind"], string>> = {
  "missing Job": "its Job counts as deleted, and the next attempt follows",
  "unrecorded Job": "its row says now that the Job is there, and the next tick follows the Job",
  "unretired Job": "its Job is retired: it is ended if it was at work, and only keeps its name taken",
  "message without a row": "its row is made anew from the message's stamps, and the next tick goes on with the run",
  "message of a closed run": "a lost run is open again, and the message of any other is settled by its verdict",
  "lock without a run": "its run is made anew from its message's stamps, or forgotten if the message is not there",
  "run without a lock": "its identity is locked again, so that it can be closed",
  "search rows": "the rows are deleted",
  "letters gone": "the rows of its dead letters that are gone are deleted",
};

/** Says what a limit lets start, and until when. */
function startsText({ slots, until }: Pick<ModuleLimit, "slots" | "until">): string {
  const what = slots === 0 ? "nothing of it starts" : `at most ${slots} of its Jobs are at work at once`;
  return until === undefined ? `${what}, until it is resumed` : `${what}, until ${timeText(until)}`;
}

function alreadyText(answer: Answer & { kind: "already" }): string {
  switch (answer.was) {
    case "adopted":
      return "it has a row, and carries this instance's stamp";
    case "given up":
      return "its Job is given up, and the next attempt follows";
    case "being cancelled":
      return "it is being cancelled";
    case "cancelled":
      return "it is cancelled, and its message is a dead letter";
    case "verdict recorded":
      return `its verdict is recorded (${answer.outcome}), and the next ticks settle its message`;
    case "loss accepted":
      return "its loss is accepted, and the next ticks close its runs";
    case "cluster accepted":
      return "it is the recorded one, and no Job is absent from it";
    case "nothing of this owner":
      return "no message without a row carries this owner's stamp";
    case "not shut":
      return "no gate of this name is shut, so nothing is held there";
    case "limited":
      return `${startsText(answer)} already: ${answer.who} said so at ${timeText(answer.since)}`;
    case "not limited":
      return "no person has paused or limited it";
    case "not redriven":
      return "no redrive of it is at work";
    case "mended":
      return "it is no longer so, because a replica was first";
    default:
      return answer satisfies never;
  }
}

function refusedText(answer: Answer & { kind: "refused" }, name: string): string {
  switch (answer.because) {
    case "unknown source":
      return "neither the modules nor the table know its source. A run id is SOURCE:NUMBER:MS, as log lines show it";
    case "ambiguous name":
      return "a queue and a subscription share this name";
    case "no such run":
      return "no run has this id";
    case "newer row":
      return "a newer release of the Dispatcher wrote its row. Use that release's command";
    case "no such message":
      return "the bus has no such message";
    case "message not deferred":
      return `the message is ${answer.state}, and will be accepted when it is delivered`;
    case "busy":
      return "another receiver holds the message. Try again after a lock duration";
    case "run closed":
      return `its run is closed (${answer.status})`;
    case "verdict recorded":
      return `another verdict is recorded (${answer.outcome}), and the next ticks settle its message`;
    case "no job":
      return "it has no Job. Use --cancel instead";
    case "not held":
      return "the source is not held, and its runs go on by themselves";
    case "job ended":
      return `Job ${answer.jobName} has ended, and the next tick judges it`;
    case "moved on":
      return "a replica changed the run just now. Look again";
    case "gate moved on":
      return "a replica changed the gate just now. Look again";
    case "limit moved on":
      return "its limit was changed just now. Look again";
    case "unknown module":
      return "no module file has this name";
    case "impossible slots":
      return `give a whole number of slots from 0 to ${answer.most}`;
    case "end has passed":
      return "its end has passed. Give one that is to come";
    case "redrive at work":
      return `the redrive that ${answer.who} ordered at ${timeText(answer.orderedAt)} is at work. Wait until it is over, or end it: ${commandText(["dead", "abort", name])}`;
    case "redrive moved on":
      return "its redrive was changed just now. Look again";
    case "may sleep":
      return "the app may sleep while its queue is empty (scaling.scaleToZero), because KEDA counts no dead letters. Keep a replica until the redriven runs are over, by kubectl annotate scaledobject NAME autoscaling.keda.sh/paused-replicas=1, and then add --replica-is-kept";
    case "unavailable":
      return answer.detail;
    default:
      return answer satisfies never;
  }
}
