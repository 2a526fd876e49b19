import { z } from "zod";
import type { MessageFilter } from "./message-filter.ts";
import { parseSqlFilter } from "./sql-filter.ts";

const value = z.union([z.string(), z.number(), z.boolean()]);
/** The forms of a filter. */
export const filterSchema = z.union([
  z.strictObject({ sql: z.string() }),
  z.strictObject({
    messageId: z.string().optional(),
    to: z.string().optional(),
    subject: z.string().optional(),
    replyTo: z.string().optional(),
    correlationId: z.string().optional(),
    contentType: z.string().optional(),
    sessionId: z.string().optional(),
    replyToSessionId: z.string().optional(),
    properties: z.record(z.string(), value).optional(),
  }),
]);
/** A filter of a subscription: properties that a message must have, all of them, or a condition in SQL. */
export type FilterConfig = z.input<typeof filterSchema>;

/** Makes a filter of its description. Throws if its SQL is beyond this broker. */
export function compileFilter(config: FilterConfig): MessageFilter {
  if ("sql" in config) return parseSqlFilter(config.sql);
  const { properties = {}, ...system } = config;
  const wantedProperties = Object.entries(properties);
  const wantedSystem = Object.entries(system);
  return (message) =>
    wantedSystem.every(([name, wanted]) => wanted === undefined || Reflect.get(message, name) === wanted) &&
    wantedProperties.every(([name, wanted]) => message.properties[name] === wanted);
}
