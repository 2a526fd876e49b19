import { runId } from "../../run/run.ts";
import type { ShownFinding } from "./finding.ts";

/** Names what a finding is about: a run, a Job without one, a source, a gate, or nothing for the cluster as a whole. */
export function subjectOf(found: ShownFinding): string {
  switch (found.kind) {
    case "another cluster":
    case "mass absence":
      return "";
    case "source held":
    case "messages missing":
    case "file missing":
    case "letters gone":
    case "search rows":
      return found.source;
    case "shut gate":
      return found.gate;
    case "orphan message":
    case "message without a row":
      return runId(found.key);
    case "stray Job":
      return found.jobName;
    case "overdue Job":
    case "missing Job":
    case "unrecorded Job":
    case "unretired Job":
    case "message of a closed run":
    case "undeferred message":
    case "missing message":
    case "lock without a run":
    case "run without a lock":
      return found.runId;
    default:
      return found satisfies never;
  }
}
