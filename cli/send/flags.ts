import { type Command, InvalidArgumentError } from "@commander-js/extra-typings";
import { positiveDuration, wholeNumber } from "../../shared/command-line.ts";
import { withTarget } from "../target/flags.ts";

/** The value of an application property. */
export type PropertyValue = string | number | boolean;

/** Adds the flags of `send`. */
export function withSendFlags(command: Command) {
  return withTarget(command)
    .usage("--source <name> [options] <file>")
    .argument("<file>", "the body, byte for byte; - reads standard input")
    .requiredOption("--source <name>", "a queue, a topic, or topic/subscription, which sends to the topic")
    .option("--bus <host>", "a Service Bus namespace in Azure, reached by your own login (az login)", hostName)
    .option("--subject <text>", "the message's subject")
    .option("--content-type <type>", "the type of the body, such as application/json")
    .option("--correlation-id <id>", "the id of what the message belongs to")
    .option(
      "--property <name=value>",
      "an application property, as text; NAME:=3 or NAME:=true is a number or a truth value; again for another",
      addProperty,
    )
    .option("--id <id>", "the message's id; without it, one is made", messageId)
    .option("--count <n>", "how many messages of this body, numbered after the id", wholeNumber(1, 100_000), 1)
    .option("--at <time>", "let the bus deliver it at this time, such as 2026-01-31T08:00:00Z", pointInTime)
    .option("--delay <duration>", "let the bus deliver it so much later, such as 90s, 5m or 1h", positiveDuration)
    .option("--cloudevent <type>", "send it as a CloudEvent of this type, in the binary mode of AMQP")
    .option("--cloudevent-source <uri>", "the event's source; without it, dispatcher")
    .option("--quiet", "print nothing if all goes well");
}

export type SendFlags = ReturnType<ReturnType<typeof withSendFlags>["opts"]>;

function addProperty(text: string, others?: Readonly<Record<string, PropertyValue>>): Record<string, PropertyValue> {
  const [, name, typed, value = ""] = /^([^=]*?[^=:])(:?)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError("Give a name and a value, as in NAME=VALUE or NAME:=3.");
  return { ...others, [name]: typed === "" ? value : typedValue(value) };
}

function typedValue(text: string): PropertyValue {
  if (text === "true" || text === "false") return text === "true";
  const number = Number(text);
  if (/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) && Number.isFinite(number)) return number;
  throw new InvalidArgumentError("After := give a number, true or false. Text goes after =.");
}

function hostName(text: string): string {
  if (/^[a-z\d][a-z\d-]*(\.[a-z\d][a-z\d-]*)+$/i.test(text)) return text;
  throw new InvalidArgumentError("Give its host name, such as acme.servicebus.windows.net.");
}

function messageId(text: string): string {
  if (text === "" || text.length > 128) throw new InvalidArgumentError("An id has 1 to 128 characters.");
  return text;
}

function pointInTime(text: string): Date {
  const time = new Date(text);
  // JavaScript reads many other things as a time, and each in its own way.
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(time.getTime()))
    return time;
  throw new InvalidArgumentError("Give a time with its zone, such as 2026-01-31T08:00:00Z or 2026-01-31T08:00+01:00.");
}
