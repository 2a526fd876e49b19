import type { Redriven } from "../../shared/operate/views/redriven.ts";

/** Says what became of a redrive. */
const BECAME: Readonly<Record<Redriven["status"], string>> = {
  open: "is not over",
  succeeded: "succeeded",
  failed: "failed",
  rejected: "was rejected",
  cancelled: "was cancelled",
  lost: "lost its message",
  withdrawn: "was withdrawn",
};

/** Says as which run a dead letter was redriven, and what became of that. */
export function redrivenText({ id, status }: Pick<Redriven, "id" | "status">): string {
  return `redriven as ${id}, which ${BECAME[status]}`;
}

/** Says the same beside the id of the first run. */
export function redrivenMark({ redrive, status }: Redriven): string {
  return `redriven (:r${redrive}), which ${BECAME[status]}`;
}
