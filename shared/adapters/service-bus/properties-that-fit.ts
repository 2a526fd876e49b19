import type { ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus";
import type { DeadLetter } from "../../ports/message-broker.ts";
import type { Properties } from "../../run/message.ts";
import { type CarriedProperties, hasSpace } from "./property-space.ts";

const MAX_DEAD_LETTER_TEXT = 4096;

type SdkProperties = NonNullable<ServiceBusReceivedMessage["applicationProperties"]>;
type SdkLetter = NonNullable<Parameters<ServiceBusReceiver["deadLetterMessage"]>[1]>;

/** The stamp, and nothing, where it has no room: a message that cannot be stamped must still be settled. */
export function stampsToTry(stamp: Properties, carried?: CarriedProperties): SdkProperties[] {
  const properties = sdkProperties(stamp);
  return carried === undefined || hasSpace(carried, properties) ? [properties, {}] : [{}];
}

/** The letter with all its facts; with its texts; with the reason; bare. Those that surely have no room are left out. */
export function lettersToTry(letter: DeadLetter, carried?: CarriedProperties): (SdkLetter | undefined)[] {
  const deadLetterReason = letter.reason.slice(0, MAX_DEAD_LETTER_TEXT);
  const deadLetterErrorDescription = letter.description.slice(0, MAX_DEAD_LETTER_TEXT);
  const choices: SdkLetter[] = [
    { ...sdkProperties(letter.properties), deadLetterReason, deadLetterErrorDescription },
    { deadLetterReason, deadLetterErrorDescription },
    { deadLetterReason, deadLetterErrorDescription: "" },
  ];
  const fitting = choices.filter((choice) => carried === undefined || hasSpace(carried, choice));
  return [...fitting, undefined];
}

/** Properties as the SDK takes them: scalars. Anything else would be refused, and is written as JSON. */
function sdkProperties(properties: Properties): SdkProperties {
  const entries = Object.entries(properties).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([name, value]) => [name, isScalar(value) ? value : JSON.stringify(value)]));
}

function isScalar(value: unknown): value is string | number | boolean | Date | null {
  return value === null || ["string", "number", "boolean"].includes(typeof value) || value instanceof Date;
}
