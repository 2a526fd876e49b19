import type { FilterConfig } from "./entities.ts";
import type { FilterableMessage } from "./message-content.ts";
import { parseSqlFilter } from "./sql-filter.ts";

/** Whether a subscription takes a message. */
export type MessageFilter = (message: FilterableMessage) => boolean;

/** Makes a filter of its description. Throws where its SQL is more than this broker knows. */
export function compileFilter(config: FilterConfig): MessageFilter {
  if ("sql" in config) return parseSqlFilter(config.sql);
  const { properties = {}, ...system } = config;
  const wantedProperties = Object.entries(properties);
  const wantedSystem = Object.entries(system);
  return (message) =>
    wantedSystem.every(([name, wanted]) => wanted === undefined || Reflect.get(message, name) === wanted) &&
    wantedProperties.every(([name, wanted]) => message.properties[name] === wanted);
}
