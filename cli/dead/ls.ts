import { makeOperator, type Operator } from "../../shared/operate/operator.ts";
import type { LettersListed } from "../../shared/operate/views/dead-letters.ts";
import { present } from "../../shared/plain-data.ts";
import type { NotedLetter } from "../../shared/run/dead-letter.ts";
import { moduleNamed } from "../../shared/run/module-named.ts";
import { runId } from "../../shared/run/run.ts";
import type { TargetFlags } from "../target/flags.ts";
import { openTarget } from "../target/open-target.ts";
import type { Output } from "../text/output.ts";
import { plainText } from "../text/plain-text.ts";
import { note } from "../text/print.ts";
import { printList } from "../text/print-list.ts";
import type { Column } from "../text/table.ts";
import { agoText } from "../text/times.ts";
import { refuseUnknown } from "../unknown-module.ts";
import { foundLetter } from "./found-letter.ts";
import { moduleText, type WantedFlags, wantedOf } from "./wanted.ts";

const columns = (now: number): readonly Column<NotedLetter>[] => [
  { head: "RUN", text: runId },
  { head: "ENDED", text: ({ closedAt }) => agoText(now - closedAt) },
  { head: "MODULE", text: ({ module }) => moduleText(module), least: 6, drop: 2 },
  { head: "REASON", text: ({ reason }) => reason },
  { head: "EXIT", text: ({ exitCode }) => String(exitCode ?? "-"), drop: 1 },
  { head: "MESSAGE", text: ({ messageId }) => messageId || "-", least: 8, drop: 3 },
  { head: "LAST WORDS", text: ({ lastWords, group }) => lastWords ?? group.text, wraps: true },
];

interface Flags extends TargetFlags, WantedFlags, Pick<LettersListed, "exitCode" | "since" | "until"> {
  readonly limit: number;
  readonly after?: string;
  readonly output: Output;
}

/** Lists dead letters of a Dispatcher. */
export async function listLetters({ limit, after, output, ...flags }: Flags): Promise<number> {
  const target = await openTarget(flags);
  try {
    const operator = makeOperator(target.deps, target.log);
    const last = after === undefined ? undefined : await letterNamed(operator, after);
    const { exitCode, since, until } = flags;
    const wanted = { ...wantedOf(flags), ...present({ exitCode, since, until }) };
    const { letters, scanned, next } = await operator.deadLetters(wanted, { limit, after: last });
    if (letters.length === 0 && flags.module !== undefined)
      refuseUnknown(moduleNamed(flags.module), target.deps.modules);
    // A list that is whole comes by its ends. The pages of a longer one come as the rows are ordered.
    const isWhole = next === undefined && last === undefined;
    const rows = (isWhole ? letters.toSorted((a, b) => b.closedAt - a.closedAt) : letters).map((letter) => ({
      run: runId(letter),
      ...letter,
    }));
    printList(rows, output, {
      columns: columns(target.deps.clock.now()),
      name: runId,
      none: "there are no such dead letters",
    });
    const read = scanned > letters.length ? `, after ${scanned} letters` : "";
    if (next)
      note(plainText(`there are more${read}, by source, module, reason and group; go on with: --after ${runId(next)}`));
    return 0;
  } finally {
    await target.close();
  }
}

async function letterNamed(operator: Operator, run: string): Promise<NotedLetter> {
  return foundLetter(run, await operator.deadLetter(run)).letter;
}
