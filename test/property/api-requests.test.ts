import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { problemSchema } from "../../shared/api/problem.ts";
import { ROUTES } from "../../shared/api/routes.ts";
import { runId } from "../../shared/run/run.ts";
import { apiOf, FROM_THE_PAGE } from "../support/api-of.ts";
import { PROPERTY_TIMEOUT_MS, propertyOptions } from "../support/property-options.ts";
import { withRun } from "../support/world.ts";

const OPTIONS = propertyOptions(300);

/** The parts of which an address may be made: those that are right, and any others. */
const part = fc.oneof(
  fc.constantFrom(...new Set(ROUTES.flatMap(({ path }) => path.split("/").filter(Boolean)))),
  fc.constantFrom("thumbnails:1:1732400000000", "m-1", "thumbnail", "-", ""),
  fc.string({ unit: "binary", maxLength: 40 }),
);
const value = fc.oneof(fc.string({ unit: "binary", maxLength: 40 }), fc.integer().map(String), part);
const names = [...new Set(ROUTES.flatMap(({ query }) => Object.keys(query.shape)))];
const query = fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string({ maxLength: 8 })), value, { maxKeys: 4 });
const fields = [
  ...new Set([
    "runs",
    "as",
    "slots",
    "forMs",
    "why",
    "dryRun",
    "gates",
    "source",
    "module",
    "group",
    "count",
    "before",
    "most",
  ]),
];
const body = fc.oneof(
  fc.dictionary(
    fc.constantFrom(...fields),
    fc.oneof(fc.jsonValue(), fc.array(fc.constantFrom("thumbnails:1:1", "module:thumbnail")), fc.boolean(), fc.nat()),
  ),
  fc.jsonValue(),
);

describe("any request", () => {
  it(
    "is answered or refused, and is never a mistake of ours",
    async () => {
      const world = await withRun();
      const api = apiOf(world);
      const routes = fc.constantFrom(...ROUTES);
      const path = fc.oneof(
        fc.array(part, { maxLength: 4 }).map((parts) => `/${parts.map(encodeURIComponent).join("/")}`),
        fc.tuple(routes, part).map(([route, name]) => route.path.replace(/\{\w+\}/, encodeURIComponent(name) || "x")),
        routes.map((route) =>
          route.path.replace(/\{run\}/, encodeURIComponent(runId(world.run()))).replace(/\{\w+\}/, "thumbnail"),
        ),
        fc.string({ unit: "binary" }).map((text) => `/${text.replaceAll("?", "")}`),
      );
      await fc.assert(
        fc.asyncProperty(fc.constantFrom("GET", "POST"), path, query, body, async (method, address, asked, sent) => {
          const search = new URLSearchParams(asked).toString();
          // Every action is tried, so that the run at work stays.
          const tried =
            typeof sent === "object" && sent !== null && !Array.isArray(sent) ? { ...sent, dryRun: true } : sent;
          const answered = await api.ask(method, `${address}?${search}`, FROM_THE_PAGE, JSON.stringify(tried));
          const isProblem = answered.status >= 400;
          expect([answered.status >= 500, answered.said]).toEqual([false, answered.said]);
          expect(isProblem).toBe(problemSchema.safeParse(answered.said).success);
        }),
        OPTIONS,
      );
    },
    PROPERTY_TIMEOUT_MS,
  );
});
