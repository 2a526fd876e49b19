import type { Source } from "../../shared/run/source.ts";
import type { Azure } from "../azure.ts";
import { type Check, disproven, proven } from "../check.ts";
import { SOURCES } from "../check-values.ts";

const MINUTES = 10;

export const messages: Check = {
  question: "Does a message of a queue, and of a subscription, become a Job, and end as the Job did?",
  deed: "Sent to both a message whose Job succeeds and one whose Job fails.",
  minutes: 3,
  async run(azure) {
    const startedAt = azure.now();
    const sources: readonly Source[] = [SOURCES.codes, SOURCES.events];
    for (const source of sources)
      await azure.bus.send(source, [
        { messageId: "succeeds", body: Buffer.from("0") },
        { messageId: "fails", body: Buffer.from("3") },
      ]);
    const isOver = await azure.until(async () => (await leftIn(azure, sources)) === 0, MINUTES);
    if (!isOver)
      return disproven(`After ${MINUTES} minutes ${await leftIn(azure, sources)} of 4 messages were not settled.`);
    const ended = Math.round((azure.now() - startedAt) / 1_000);
    const letters = await Promise.all(sources.map((source) => azure.bus.peek(source, { deadLetters: true })));
    const told = letters.flat().map(({ messageId, deadLetterReason }) => `${String(messageId)}: ${deadLetterReason}`);
    const what = `All were settled within ${ended} s. Dead letters: ${told.join(", ")}.`;
    return told.join() === "fails: JobFailed,fails: JobFailed" ? proven(what) : disproven(what);
  },
};

async function leftIn({ bus }: Azure, sources: readonly Source[]): Promise<number> {
  const left = await Promise.all(sources.map((source) => bus.peek(source)));
  return left.flat().length;
}
