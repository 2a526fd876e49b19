import { makeOperator } from "../../shared/operate/operator.ts";
import type { FailureGroupShown } from "../../shared/operate/views/dead-groups.ts";
import { moduleNamed } from "../../shared/run/module-named.ts";
import { runId } from "../../shared/run/run.ts";
import type { TargetFlags } from "../target/flags.ts";
import { openTarget } from "../target/open-target.ts";
import type { Output } from "../text/output.ts";
import { note } from "../text/print.ts";
import { printList } from "../text/print-list.ts";
import type { Column } from "../text/table.ts";
import { agoText } from "../text/times.ts";
import { refuseUnknown } from "../unknown-module.ts";
import { moduleText } from "./wanted.ts";

const columns = (now: number): readonly Column<FailureGroupShown>[] => [
  { head: "COUNT", text: ({ count, isMore }) => `${count}${isMore ? "+" : ""}` },
  { head: "LAST", text: ({ lastAt }) => agoText(now - lastAt) },
  { head: "MODULE", text: ({ module }) => moduleText(module), least: 8 },
  { head: "REASON", text: ({ reason }) => reason },
  { head: "EXIT", text: ({ exitCode }) => String(exitCode ?? "-"), drop: 1 },
  { head: "GROUP", text: ({ id }) => id },
  { head: "LAST WORDS", text: ({ text }) => text, wraps: true },
];

/** Lists the failure groups of a Dispatcher. */
export async function listGroups({
  module,
  limit,
  output,
  ...flags
}: TargetFlags & {
  readonly module?: string;
  readonly limit: number;
  readonly output: Output;
}): Promise<number> {
  const target = await openTarget(flags);
  try {
    const { groups, others } = await makeOperator(target.deps, target.log).deadGroups({
      ...(module === undefined ? {} : { module: moduleNamed(module) }),
      limit,
    });
    if (groups.length === 0 && module !== undefined) refuseUnknown(moduleNamed(module), target.deps.modules);
    const rows = groups.map((group) => ({ ...group, sample: { run: runId(group.sample), ...group.sample } }));
    printList(rows, output, {
      columns: columns(target.deps.clock.now()),
      name: ({ id }) => id,
      none: "there are no dead letters",
    });
    if (others > 0) note(`${others} smaller ${others === 1 ? "group is" : "groups are"} not listed: add --limit`);
    return 0;
  } finally {
    await target.close();
  }
}
