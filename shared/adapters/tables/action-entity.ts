import { z } from "zod";
import type { Action } from "../../run/action.ts";
import { type Columns, decoded, prose, text, time } from "./columns.ts";

const FACTS = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

/** The columns of an `action|` row. `facts` is JSON, because each deed has others. */
const ACTION = z.object({
  at: time,
  who: text,
  why: z.exactOptional(prose),
  what: text,
  subject: text,
  facts: z.codec(z.string(), FACTS, {
    decode(json, context) {
      try {
        return FACTS.parse(JSON.parse(json));
      } catch {
        context.issues.push({ code: "custom", input: json, message: "not the JSON of facts" });
        return z.NEVER;
      }
    },
    encode: (facts) => JSON.stringify(facts),
  }),
});

export function writeAction(action: Action): Columns {
  return z.encode(ACTION, { ...action, facts: { ...action.facts } });
}

/** Reads the columns of an `action|` row. Throws BadRowError if they are not an action's. */
export function readAction(columns: Columns): Action {
  return decoded(ACTION, columns);
}
