import type { Azure } from "./azure.ts";

/** What became of a question. */
export type Verdict =
  | { readonly kind: "proven"; readonly what: string }
  /** `endsAll` says that no other check can be tried after this. */
  | { readonly kind: "disproven"; readonly what: string; readonly endsAll?: boolean }
  | { readonly kind: "not tried"; readonly what: string };

/** One thing that only Azure can tell. */
export interface Check {
  /** What is asked. "Yes" is the answer that the Dispatcher relies on. */
  readonly question: string;
  /** What is done to find out, in one sentence. */
  readonly deed: string;
  /** How long it takes, about. */
  readonly minutes: number;
  /** Does the deed. Resolves to what Azure did. A rejection means that the deed itself could not be done. */
  readonly run: (azure: Azure) => Promise<Verdict>;
}

/** The answer is yes; `what` says what Azure did. */
export function proven(what: string): Verdict {
  return { kind: "proven", what };
}

/** The answer is no; `what` says what Azure did. */
export function disproven(what: string): Verdict {
  return { kind: "disproven", what };
}

/** There is no answer; `why` says what kept the check from its deed. */
export function notTried(why: string): Verdict {
  return { kind: "not tried", what: why };
}
