import { sourceName } from "../../shared/run/source.ts";
import { type Check, disproven, proven } from "../check.ts";
import { type DeadLetterStory, playDeadLetter } from "../dead-letter.ts";
import { makeDeadLetterEntities } from "../dead-letter-entities.ts";

export const deadLetterStaysDeferred: Check = {
  question: "Can a dead letter be deferred in its dead letter queue, and does it stay deferred when it is abandoned?",
  deed: "Deferred a dead letter of a queue and one of a subscription, received it by its number, abandoned and completed it.",
  minutes: 3,
  async run(azure) {
    const told: string[] = [];
    for (const source of await makeDeadLetterEntities(azure, "check-deferred")) {
      const story = await playDeadLetter(await azure.bus.client(), source);
      const wrong = troubleIn(story);
      if (wrong !== undefined) return disproven(`${sourceName(source)}: ${wrong}`);
      told.push(`${sourceName(source)} (delivery ${story.letter?.deliveryCount}, then ${story.again?.deliveryCount})`);
    }
    return proven(`It stayed deferred, came by its number, and could be completed: ${told.join(", ")}.`);
  },
};

/** What went otherwise than asked. Undefined if all went so. */
export function troubleIn({ letter, deferred, deliveredAgain, again, left }: DeadLetterStory): string | undefined {
  if (letter === undefined) return "The dead letter never came.";
  if (deferred === undefined) return "Its number brought nothing after it was deferred.";
  if (deliveredAgain !== undefined) return "The abandoned dead letter was delivered again, and so no longer deferred.";
  if (again === undefined) return "Its number brought nothing after it was abandoned.";
  return left === 0 ? undefined : "It was still there after it was completed.";
}
