import { z } from "zod";
import { count, counts, list, named, source, time } from "./answer-parts.ts";

// What the API answers about actions.

const command = z.string().describe("the command that does the same");
const outcomes = list(
  z.looseObject({ name: z.string(), kind: z.enum(["done", "would", "already", "refused"]) }),
).describe("what became of each thing that was named");
export const acted = named("Acted", z.object({ command, answers: outcomes }));
export const redriven = named(
  "Redriven",
  z.object({
    command,
    plans: list(
      z.object({
        source,
        letters: count.describe("how many can be redriven"),
        left: counts.describe("how many can't, by what hinders them"),
        inFront: count,
        tooDeep: count,
      }),
    ),
    missing: list(z.string()).describe("the named runs that have no dead letter on the bus that is chosen"),
    answers: outcomes.describe("what became of each source; empty after a dry run"),
  }),
);
export const purged = named(
  "Purged",
  z.object({
    command,
    before: time.describe("what failed by then is chosen; send it with the purge itself"),
    plan: z
      .object({
        chosen: count,
        onBus: count.optional(),
        inFront: count.optional(),
        tooDeep: count.optional(),
      })
      .describe("how many are chosen; the others only in a dry run"),
    done: z.object({ removed: count, gone: count, left: count }).optional().describe("missing after a dry run"),
  }),
);
