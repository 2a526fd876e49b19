import type { LettersWanted } from "../../shared/ports/run-table.ts";
import { moduleNamed } from "../../shared/run/module-named.ts";
import type { Reason } from "../../shared/run/reasons.ts";

/** The flags that choose dead letters. */
export interface WantedFlags {
  readonly module?: string;
  readonly reason?: Reason;
  readonly group?: string;
}

/** Reads which dead letters are wanted. */
export function wantedOf({ module, reason, group }: WantedFlags): LettersWanted {
  return {
    ...(module === undefined ? {} : { module: moduleNamed(module) }),
    ...(reason === undefined ? {} : { reason }),
    ...(group === undefined ? {} : { group: group.toLowerCase() }),
  };
}

/** Writes the name of a module, or that there is none. */
export function moduleText(name: string): string {
  return name === "" ? "-" : name;
}
