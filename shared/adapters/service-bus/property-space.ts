import type { Properties } from "../../run/message.ts";
import { amqpJson } from "./amqp-json.ts";

/** What all properties of one message may weigh together, and what a single one may. Service Bus's limits, in bytes. */
const MAX_ALL_BYTES = 64 * 1024;
const MAX_ONE_BYTES = 32 * 1024;
/** Type, length and the like around a name or a value, at most. */
const OVERHEAD_BYTES = 5;
const LARGEST_SCALAR_BYTES = 16;
/** The sections themselves, and what the broker may add of its own. */
const RESERVE_BYTES = 512;

/** What a message carries already. */
export interface CarriedProperties {
  readonly application: Properties;
  /** Message id, subject and the like: they count, too. */
  readonly system: readonly unknown[];
}

/** Whether these properties can be set on the message within the limits; those it has already are replaced. An estimate, on the safe side. */
export function hasSpace(carried: CarriedProperties, added: Properties): boolean {
  if (Object.entries(added).some(([name, value]) => bytesOf(name) + bytesOf(value) > MAX_ONE_BYTES)) return false;
  const application = Object.entries({ ...carried.application, ...added });
  let bytes = RESERVE_BYTES;
  for (const [name, value] of application) bytes += bytesOf(name) + bytesOf(value);
  for (const value of carried.system) bytes += bytesOf(value);
  return bytes <= MAX_ALL_BYTES;
}

/** How many bytes a value takes when it is encoded, at most. */
function bytesOf(value: unknown): number {
  if (value === undefined || value === null) return 1;
  if (typeof value === "string") return OVERHEAD_BYTES + Buffer.byteLength(value);
  if (value instanceof Uint8Array) return OVERHEAD_BYTES + value.byteLength;
  if (typeof value !== "object" || value instanceof Date) return OVERHEAD_BYTES + LARGEST_SCALAR_BYTES;
  return OVERHEAD_BYTES + 2 * Buffer.byteLength(amqpJson(value) ?? "");
}
