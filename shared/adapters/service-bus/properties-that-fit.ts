import type { ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus";
import type { DeadLetter } from "../../ports/message-broker.ts";
import type { Properties } from "../../run/message.ts";
import { withoutOwner } from "../../run/stamp.ts";
import { type CarriedProperties, hasSpace } from "./property-space.ts";

const MAX_DEAD_LETTER_TEXT = 4096;

type SdkProperties = NonNullable<ServiceBusReceivedMessage["applicationProperties"]>;
type SdkLetter = NonNullable<Parameters<ServiceBusReceiver["deadLetterMessage"]>[1]>;

/**
 * Gives the properties to try in order: the stamp, then an empty owner instead of a forged one, then none. A message
 * without space for the stamp must still be settled.
 */
export function stampsToTry(stamp: Properties, carried?: CarriedProperties): SdkProperties[] {
  const properties = sdkProperties(stamp);
  const emptied = withoutOwner(stamp, carried?.application);
  const choices = emptied === undefined ? [{}] : [sdkProperties(emptied), {}];
  return carried === undefined || hasSpace(carried, properties) ? [properties, ...choices] : choices;
}

/**
 * Gives the letters to try in order: with all facts, with the texts, with the reason alone, bare. Leaves out those that
 * can't fit.
 */
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

/** Turns properties into scalars, because the SDK takes no others. Anything else is written as JSON. */
function sdkProperties(properties: Properties): SdkProperties {
  const entries = Object.entries(properties).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([name, value]) => [name, isScalar(value) ? value : JSON.stringify(value)]));
}

function isScalar(value: unknown): value is string | number | boolean | Date | null {
  return value === null || ["string", "number", "boolean"].includes(typeof value) || value instanceof Date;
}
