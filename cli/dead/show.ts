import { makeOperator } from "../../shared/operate/operator.ts";
import { bodyText } from "../../shared/operate/views/body-text.ts";
import type { LetterOnBus } from "../../shared/operate/views/dead-letters.ts";
import { mapFound, type Sought } from "../../shared/operate/views/sought.ts";
import { type ClosedRun, runId } from "../../shared/run/run.ts";
import { onlyOne } from "../runs/one-run.ts";
import type { TargetFlags } from "../target/flags.ts";
import { openTarget } from "../target/open-target.ts";
import type { Output } from "../text/output.ts";
import { plainJson, plainText } from "../text/plain-text.ts";
import { print } from "../text/print.ts";
import { terminalLines } from "../text/table.ts";
import { lengthText } from "../text/times.ts";
import { type FoundLetter, foundLetter } from "./found-letter.ts";
import { moduleText } from "./wanted.ts";

/** Shows one dead letter of a Dispatcher. Throws a Refusal if the run has none. */
export async function showLetter(
  id: string,
  { output, content = false, ...flags }: TargetFlags & { readonly output: Output; readonly content?: boolean },
) {
  const target = await openTarget(flags);
  try {
    const operator = makeOperator(target.deps, target.log);
    const named = await operator.find(id);
    const found = foundLetter(
      id,
      await operator.deadLetter(named ? runId(onlyOne(named, id)) : id, { withContent: content }),
    );
    const { letter, run, onBus } = found;
    if (output === "json")
      print(plainJson({ run: runId(letter), ...letter, ...factsOf(run), onBus: readable(onBus) }, 2));
    else if (output === "name") print(plainText(runId(letter)));
    else for (const line of linesOf(found, target.deps.clock.now())) print(line);
    return 0;
  } finally {
    await target.close();
  }
}

/** What the run's row says besides what lists show. */
function factsOf({ verdict, correlationId, subject, failures, interruptions, jobName, lastError, logsUrl }: ClosedRun) {
  const { description } = verdict ?? {};
  return { description, correlationId, subject, failures, interruptions, jobName, lastError, logsUrl };
}

export function linesOf({ letter, run, onBus }: FoundLetter, now: number): string[] {
  const { exitCode, group } = letter;
  const when = (at: number) => `${new Date(at).toISOString()} (${lengthText(now - at)} ago)`;
  const lines: readonly (readonly [name: string, value: string | undefined])[] = [
    ["run", runId(letter)],
    ["module", moduleText(letter.module)],
    ["reason", letter.reason],
    ["description", run.verdict?.description],
    ["exit code", exitCode === undefined ? undefined : String(exitCode)],
    ["group", `${group.id} ${group.text}`],
    ["message id", letter.messageId],
    ["correlation id", run.correlationId],
    ["subject", run.subject],
    ["enqueued", when(letter.enqueuedAt)],
    ["dead-lettered", when(letter.closedAt)],
    ["attempts", `${letter.attempts} (${run.failures} failures, ${run.interruptions} interruptions)`],
    ["last Job", run.jobName],
    ["last log", run.logsUrl],
    ["on the bus", onBusText(onBus)],
    ...stampsOf(onBus),
    ...contentOf(onBus),
  ];
  const widest = Math.max(...lines.map(([name]) => name.length));
  return lines.flatMap(([name, value]) =>
    value === undefined
      ? []
      : terminalLines(plainText(value), widest + 2).map(
          (line, index) => `${(index === 0 ? name : "").padEnd(widest)}  ${line}`,
        ),
  );
}

function onBusText(onBus: Sought<LetterOnBus>): string {
  if ("unavailable" in onBus) return `it can't be looked at: ${onBus.unavailable}`;
  if (onBus.found === null) return "no letter of this run has its number, so most likely a person has taken it out";
  return `${onBus.found.state}, with a body of ${onBus.found.bodyBytes} bytes`;
}

function contentOf(onBus: Sought<LetterOnBus>): [name: string, value: string][] {
  const { content } = "found" in onBus ? (onBus.found ?? {}) : {};
  if (!content) return [];
  const { body, encoding } = bodyText(content.body);
  return [
    ["properties", plainJson(content.properties)],
    [encoding === "utf8" ? "body" : "body (base64)", body],
  ];
}

/** Writes the body as text if it is text, and otherwise as base64. */
function readable(onBus: Sought<LetterOnBus>): object {
  return mapFound(onBus, (found) =>
    found.content ? { ...found, content: { ...found.content, ...bodyText(found.content.body) } } : found,
  );
}

function stampsOf(onBus: Sought<LetterOnBus>): [name: string, value: string][] {
  const { stamps = {} } = "found" in onBus ? (onBus.found ?? {}) : {};
  return Object.entries(stamps).map(([name, value]) => [name, String(value)]);
}
