import type { Source } from "../shared/run/source.ts";
import type { Azure } from "./azure.ts";
import { outputOf } from "./outputs.ts";

/** Makes a queue, and a topic with a subscription, that no module reads. Resolves to the queue and the subscription. */
export async function makeDeadLetterEntities(azure: Azure, name: string): Promise<readonly Source[]> {
  const { az, environment } = azure;
  const [namespace = ""] = (await outputOf(azure, "serviceBusFullyQualifiedNamespace")).split(".");
  const where = ["--resource-group", environment.group, "--namespace-name", namespace, "--output", "none"];
  const topic = `${name}-topic`;
  await az("servicebus", "queue", "create", "--name", name, ...where);
  await az("servicebus", "topic", "create", "--name", topic, ...where);
  await az("servicebus", "topic", "subscription", "create", "--name", "letters", "--topic-name", topic, ...where);
  return [{ queue: name }, { topic, subscription: "letters" }];
}
