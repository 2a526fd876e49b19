import type { Properties } from "../../run/message.ts";
import { amqpJson } from "./amqp-json.ts";

/** Service Bus's limits for all properties of one message together, and for a single one, in bytes. */
const MAX_ALL_BYTES = 64 * 1024;
const MAX_ONE_BYTES = 32 * 1024;
/** The most bytes that type and length add to a name or a value. */
const OVERHEAD_BYTES = 5;
const LARGEST_SCALAR_BYTES = 16;
/** Space for the sections themselves, and for what the broker may add. */
const RESERVE_BYTES = 512;

/** The properties that a message carries already. */
export interface CarriedProperties {
  readonly application: Properties;
  /** Message id, subject and the like, which count too. */
  readonly system: readonly unknown[];
}

/** Whether these properties fit on the message, replacing those of the same name. The estimate is on the safe side. */
export function hasSpace(carried: CarriedProperties, added: Properties): boolean {
  if (Object.entries(added).some(([name, value]) => bytesOf(name) + bytesOf(value) > MAX_ONE_BYTES)) return false;
  const application = Object.entries({ ...carried.application, ...added });
  let bytes = RESERVE_BYTES;
  for (const [name, value] of application) bytes += bytesOf(name) + bytesOf(value);
  for (const value of carried.system) bytes += bytesOf(value);
  return bytes <= MAX_ALL_BYTES;
}

/** Estimates the most bytes that an encoded value takes. */
function bytesOf(value: unknown): number {
  if (value === undefined || value === null) return 1;
  if (typeof value === "string") return OVERHEAD_BYTES + Buffer.byteLength(value);
  if (value instanceof Uint8Array) return OVERHEAD_BYTES + value.byteLength;
  if (typeof value !== "object" || value instanceof Date) return OVERHEAD_BYTES + LARGEST_SCALAR_BYTES;
  try {
    return OVERHEAD_BYTES + 2 * Buffer.byteLength(amqpJson(value) ?? "");
  } catch (error) {
    // A sender may nest lists so deep that they can be decoded, but not measured. Nothing fits beside such a value.
    if (error instanceof RangeError) return Number.POSITIVE_INFINITY;
    throw error;
  }
}
