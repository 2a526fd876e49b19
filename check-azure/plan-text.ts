import type { Check } from "./check.ts";
import type { Flags } from "./flags.ts";

const DELETION_MINUTES = 15;

/** Says what a run would do, how long it takes, and what it costs, before anything is started. */
export function planText(checks: readonly Check[], { premium }: Flags): string {
  const minutes = checks.reduce((sum, check) => sum + check.minutes, DELETION_MINUTES);
  const hours = (minutes / 60).toFixed(1);
  return `It asks these questions, each by doing something:
${checks.map(({ question }) => `  ${question}`).join("\n")}

It takes about ${hours} hours. At list prices it costs 5 to 10 US dollars: up to eight nodes of 4 vCPU, ${
    premium ? "a Premium bus (about one dollar an hour)" : "a Standard bus"
  }, a registry, and a gigabyte of logs.
The subscription needs a quota of 32 vCPU of the family Ddsv5 in the region.
Everything is in a resource group of its own, and is deleted in the end, also after a failure or Ctrl-C.`;
}
