import { sourceName } from "../../shared/run/source.ts";
import { type Check, disproven, proven } from "../check.ts";
import { type DeadLetterStory, playDeadLetter } from "../dead-letter.ts";
import { makeDeadLetterEntities } from "../dead-letter-entities.ts";

export const deadLetterKeepsItsNumber: Check = {
  question: "Does a message keep its sequence number and the time it was enqueued when it is dead-lettered?",
  deed: "Dead-lettered a message of a queue and one of a subscription, and compared both with the dead letters.",
  minutes: 3,
  async run(azure) {
    for (const source of await makeDeadLetterEntities(azure, "check-numbers")) {
      const wrong = changeIn(await playDeadLetter(await azure.bus.client(), source));
      if (wrong !== undefined) return disproven(`${sourceName(source)}: ${wrong}`);
    }
    return proven("Both stayed the same, in the queue and in the subscription.");
  },
};

/** What changed on the way to the dead letter queue. Undefined if nothing did. */
export function changeIn({ original, letter }: DeadLetterStory): string | undefined {
  if (original === undefined || letter === undefined) return "A message never came.";
  const [before, after] = [original, letter].map(
    ({ sequenceNumber, enqueuedTimeUtc }) =>
      `number ${sequenceNumber?.toString()}, enqueued ${enqueuedTimeUtc?.toISOString()}`,
  );
  return before === after ? undefined : `${before} became ${after}.`;
}
