import type { LettersWanted } from "../../shared/ports/run-table.ts";
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
    ...(module === undefined ? {} : { module: moduleOf(module) }),
    ...(reason === undefined ? {} : { reason }),
    ...(group === undefined ? {} : { group: group.toLowerCase() }),
  };
}

/** Reads the name of a module, where - stands for none. */
export function moduleOf(name: string): string {
  return name === "-" ? "" : name;
}

/** Writes the name of a module, or that there is none. */
export function moduleText(name: string): string {
  return name === "" ? "-" : name;
}
