import type { z } from "zod";
import type { Clock } from "../clock.ts";
import type { AuditReport } from "../operate/audit/finding.ts";
import type { Operator } from "../operate/operator.ts";
import type { Caller, Role } from "./caller.ts";
import { type Problem, ProblemError } from "./problem.ts";

/** What the routes work on: one Dispatcher, and what a door says of it. */
export interface Room {
  readonly operator: Operator;
  /** Audits as the operator does, once for all who ask meanwhile, and for a few minutes at most. */
  readonly audit: () => Promise<AuditReport>;
  readonly clock: Pick<Clock, "now">;
  readonly instance: string;
  readonly namespace: string;
  /** Where this Dispatcher is, in words. */
  readonly place: string;
  /** The flags that a command needs to be about this Dispatcher. Empty if it finds this one by itself. */
  readonly target: readonly string[];
  readonly version: string;
  /** What is wrong with module files, a line each. */
  readonly fileMistakes: readonly string[];
  /** Whether actions are taken here. */
  readonly mayChange: boolean;
}

/** The parts of a request, before they are checked. */
interface RawInput {
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** One thing that may be asked: its address, what it takes and answers, and who may ask it. */
export interface Route {
  readonly method: "GET" | "POST";
  /** Below `/api/v1`, with the names of its parameters in braces. */
  readonly path: `/${string}`;
  /** Names it in the OpenAPI document. */
  readonly name: string;
  /** What it does, in a sentence. */
  readonly says: string;
  readonly role: Role;
  readonly params: z.ZodObject;
  readonly query: z.ZodObject;
  readonly body?: z.ZodType;
  readonly answer: z.ZodType;
  /** Checks the parts of a request, and answers it. Rejects with a ProblemError, or with an error of the Operator. */
  act(room: Room, caller: Caller, input: RawInput): Promise<unknown>;
}

type LookOf<Params extends z.ZodObject, Query extends z.ZodObject, Answer extends z.ZodType> = Pick<
  Route,
  "path" | "name" | "says"
> & {
  readonly role?: Role;
  readonly params: Params;
  readonly query: Query;
  readonly answer: Answer;
  readonly give: (
    room: Room,
    input: { readonly params: z.output<Params>; readonly query: z.output<Query> },
    caller: Caller,
  ) => Promise<z.input<Answer>>;
};

/** Makes a route that changes nothing. */
export function look<Params extends z.ZodObject, Query extends z.ZodObject, Answer extends z.ZodType>(
  route: LookOf<Params, Query, Answer>,
): Route {
  const { give, role = "viewer", ...rest } = route;
  return {
    ...rest,
    role,
    method: "GET",
    async act(room, caller, { path, query }) {
      const input = { params: checked(route.params, "path", path), query: checked(route.query, "query", query) };
      return give(room, input, caller);
    },
  };
}

type DeedOf<Params extends z.ZodObject, Body extends z.ZodType, Answer extends z.ZodType> = Pick<
  Route,
  "path" | "name" | "says"
> & {
  /** Unless it can be taken back, `admin`. */
  readonly role?: Role;
  readonly params: Params;
  readonly body: Body;
  readonly query: z.ZodObject;
  readonly answer: Answer;
  readonly take: (
    room: Room,
    input: { readonly params: z.output<Params>; readonly body: z.output<Body> },
    caller: Caller,
  ) => Promise<z.input<Answer>>;
};

/** Makes a route that changes something, unless its body says that it is a dry run. */
export function deed<Params extends z.ZodObject, Body extends z.ZodType, Answer extends z.ZodType>(
  route: DeedOf<Params, Body, Answer>,
): Route {
  const { take, role = "operator", ...rest } = route;
  return {
    ...rest,
    role,
    method: "POST",
    async act(room, caller, { path, query, body }) {
      checked(route.query, "query", query);
      const input = { params: checked(route.params, "path", path), body: checked(route.body, "body", body) };
      return take(room, input, caller);
    },
  };
}

/** Takes a part of a request as its schema has it. Throws a ProblemError that says what is wrong with each field. */
function checked<Schema extends z.ZodType>(
  schema: Schema,
  part: NonNullable<Problem["errors"]>[number]["in"],
  value: unknown,
): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map(({ path, message }) => ({
    in: part,
    at: path.map(String).join("."),
    says: message,
  }));
  const words = errors.map(({ at, says }) => (at === "" ? says : `${at}: ${says}`)).join("; ");
  throw new ProblemError("wrong-input", `Mend the ${part}: ${words}`, { errors });
}
