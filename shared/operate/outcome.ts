/** What became of one repair. `already`: somebody, or an earlier try, did it before. `refused`: it can't be done, and why. */
export interface RepairOutcome {
  readonly kind: "done" | "already" | "refused";
  readonly why: string;
}

export const done = (why: string): RepairOutcome => ({ kind: "done", why });
export const already = (why: string): RepairOutcome => ({ kind: "already", why });
export const refused = (why: string): RepairOutcome => ({ kind: "refused", why });
