import { BODY_TWINS } from "./body-twins.ts";
import { BUS_TWINS } from "./bus-twins.ts";
import { IDENTITY_TWINS } from "./identity-twins.ts";
import { ROW_TWINS } from "./row-twins.ts";
import { START_TWINS } from "./start-twins.ts";
import type { Twin } from "./twin.ts";
import { WATCH_TWINS } from "./watch-twins.ts";

/** All twins, in the order of the table in the docs. */
export const TWINS: readonly Twin[] = [
  ...ROW_TWINS,
  ...IDENTITY_TWINS,
  ...BUS_TWINS,
  ...BODY_TWINS,
  ...START_TWINS,
  ...WATCH_TWINS,
];

/** Finds the twins of these names, in the order of the table; all of them if no name is given. */
export function twinsNamed(names: readonly string[]): Twin[] {
  return TWINS.filter(({ name }) => names.length === 0 || names.includes(name));
}
