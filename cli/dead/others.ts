import type { OtherLetter, OtherLetterShown } from "../../shared/operate/views/other-letters.ts";
import { runId } from "../../shared/run/run.ts";
import { commandHere } from "../target/aimed.ts";
import type { TargetFlags } from "../target/flags.ts";
import { shown, withOperator } from "../target/with-operator.ts";
import type { Output } from "../text/output.ts";
import { plainText } from "../text/plain-text.ts";
import { note } from "../text/print.ts";
import { printList } from "../text/print-list.ts";
import type { Column } from "../text/table.ts";
import { agoText } from "../text/times.ts";
import { canRunText } from "./hindrances.ts";
import { contentOf, type Fact, stateText, timeAndAgo } from "./letter-facts.ts";
import { moduleText } from "./wanted.ts";

const columns = (now: number): readonly Column<OtherLetter>[] => [
  { head: "LETTER", text: runId },
  { head: "SENT", text: ({ enqueuedAt }) => agoText(now - enqueuedAt), drop: 3 },
  { head: "REASON", text: ({ reason }) => reason ?? "-", least: 8 },
  { head: "MODULE", text: ({ module }) => moduleText(module), least: 6, drop: 2 },
  { head: "MESSAGE", text: ({ messageId }) => messageId ?? "-", least: 8, drop: 1 },
  { head: "CAN RUN", text: canRunText, wraps: true },
];

interface Flags extends TargetFlags {
  readonly limit: number;
  readonly after?: string;
  readonly output: Output;
}

/** Lists the dead letters that no run of a Dispatcher left. */
export async function listOthers({ limit, after, output, ...flags }: Flags): Promise<number> {
  return withOperator(flags, async (operator, { deps }) => {
    const { letters, scanned, next } = await shown(
      "looking through the dead letter queues",
      operator.otherLetters({ limit, after }),
    );
    const rows = letters.map((letter) => ({ letter: runId(letter), ...letter }));
    printList(rows, output, {
      columns: columns(deps.clock.now()),
      name: runId,
      none: next ? "none of these letters are of others" : "there are no dead letters of others",
    });
    if (next) note(plainText(`there are more, after ${scanned} letters; go on with: --after ${runId(next)}`));
    return 0;
  });
}

/** What is known of a dead letter that no run left. */
export function factsOfOther(
  { letter, onBus }: OtherLetterShown,
  now: number,
  flags: TargetFlags = {},
): readonly Fact[] {
  const { messageId, subject, reason, description, module, hindrance, enqueuedAt } = letter;
  return [
    ["letter", runId(letter)],
    ["left by", "no run of this Dispatcher: the bus, its sender or another program put it there"],
    ["reason", reason],
    ["description", description],
    ["message id", messageId],
    ["subject", subject],
    ["enqueued", timeAndAgo(enqueuedAt, now)],
    ["module", module === "" ? undefined : module],
    ["can run", canRunText(letter)],
    [
      "to run it",
      hindrance === undefined ? commandHere(["dead", "redrive", "--run", runId(letter)], flags) : undefined,
    ],
    ["on the bus", stateText(onBus)],
    ...contentOf(onBus),
  ];
}
