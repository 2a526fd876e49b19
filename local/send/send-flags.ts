import { InvalidArgumentError } from "@commander-js/extra-typings";
import { makeCommand, wholeNumber } from "../../shared/command-line.ts";

/** `npm run send`, as its user sees it. */
export const SEND = makeCommand("npm run send --")
  .usage("--source <name> [options] <file>")
  .description("Puts messages on the bus of the stack that `npm start` runs, or on a namespace in Azure.")
  .argument("<file>", "the body, byte for byte; - reads standard input")
  .requiredOption("--source <name>", "a queue, a topic, or topic/subscription, which sends to the topic")
  .option("--namespace <host>", "a Service Bus namespace in Azure, reached by your own login (az login)", hostName)
  .option("--subject <text>", "the message's subject")
  .option("--property <name=value>", "an application property, as text; again for another", addProperty)
  .option("--id <id>", "the message's id; without it, one is made", messageId)
  .option("--count <n>", "how many messages of this body, numbered after the id", wholeNumber(1, 10_000), 1);

/** What to send, and where to. */
export interface SendRequest {
  readonly entity: string;
  /** The host name of a namespace in Azure. Undefined means the bus of the stack that runs here. */
  readonly namespace?: string;
  readonly subject?: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly id?: string;
  readonly count: number;
  /** Path of the body, or `-`. */
  readonly file: string;
}

/** Reads the command line. */
export function readSendFlags(args: readonly string[]): SendRequest {
  const command = SEND.parse(args, { from: "user" });
  const [file] = command.processedArgs;
  const { source, namespace, subject, property, id, count } = command.opts();
  return {
    entity: source.split("/")[0] ?? source,
    ...(namespace === undefined ? {} : { namespace }),
    ...(subject === undefined ? {} : { subject }),
    properties: property ?? {},
    ...(id === undefined ? {} : { id }),
    count,
    file,
  };
}

function addProperty(text: string, others?: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("Give a name and a value, as in NAME=VALUE.");
  return { ...others, [text.slice(0, at)]: text.slice(at + 1) };
}

function hostName(text: string): string {
  if (/^[a-z\d][a-z\d-]*(\.[a-z\d][a-z\d-]*)+$/i.test(text)) return text;
  throw new InvalidArgumentError("Give its host name, such as acme.servicebus.windows.net.");
}

function messageId(text: string): string {
  if (text === "" || text.length > 128) throw new InvalidArgumentError("An id has 1 to 128 characters.");
  return text;
}
