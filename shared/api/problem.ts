import { z } from "zod";

/** What is wrong with a request, or why it can't be answered, as RFC 9457 has it. */
export const problemSchema = z.object({
  /** Names the kind of problem, for programs. */
  type: z.string(),
  title: z.string(),
  status: z.int(),
  /** A sentence for people: what is wrong, and what to do. */
  detail: z.string(),
  /** What is wrong with each field of the request. */
  errors: z.array(z.object({ in: z.enum(["path", "query", "body"]), at: z.string(), says: z.string() })).optional(),
  /** The ids of the runs that were meant, if there are several. */
  runs: z.array(z.string()).optional(),
});
export type Problem = z.infer<typeof problemSchema>;

/** Each kind of problem: its status, and what it is called. */
const KINDS = {
  "wrong-input": [400, "The request is wrong"],
  "no-token": [401, "The request has no token"],
  "no-login": [401, "Nobody is logged in"],
  "read-only": [403, "Nothing may be changed here"],
  "not-allowed": [403, "Your role does not allow this"],
  "other-site": [403, "Another site may not ask this"],
  "not-found": [404, "This was not found"],
  "wrong-method": [405, "This can't be done to it"],
  conflict: [409, "It is not as the request says"],
  "too-large": [413, "The request is too large"],
  "not-json": [415, "The request is no JSON"],
  "wrong-host": [421, "This server has another name"],
  "our-mistake": [500, "A mistake of the Dispatcher's own"],
  "newer-release": [501, "This takes a newer release"],
  unavailable: [503, "A service that is needed does not answer"],
} as const satisfies Record<string, readonly [status: number, title: string]>;
export type ProblemKind = keyof typeof KINDS;

/** Makes a problem. */
export function problem(kind: ProblemKind, detail: string, more: Pick<Problem, "errors" | "runs"> = {}): Problem {
  const [status, title] = KINDS[kind];
  return { type: `urn:dispatcher:problem:${kind}`, title, status, detail, ...more };
}

/** Thrown by a route if it can't answer as asked. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly problem: Problem;

  constructor(...args: Parameters<typeof problem>) {
    super(args[1]);
    this.problem = problem(...args);
  }
}
