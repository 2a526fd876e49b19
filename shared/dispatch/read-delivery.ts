import { InvalidMessageError } from "../errors.ts";
import type { Delivery } from "./accept.ts";

/**
 * Reads sequence number and lock token out of a trigger's metadata. Throws InvalidMessageError where they can't be used: the number of a
 * partitioned entity carries its partition in the top bits, passes 2^53, and arrives rounded.
 */
export function readDelivery(metadata: Readonly<Record<string, unknown>> | undefined): Delivery {
  const sequenceNumber = Number(metadata?.["sequenceNumber"]);
  if (!Number.isSafeInteger(sequenceNumber) || sequenceNumber < 0)
    throw new InvalidMessageError(
      `sequence number ${String(metadata?.["sequenceNumber"])} is not usable: is the entity partitioned? Use one without partitions`,
    );
  const lockToken = metadata?.["lockToken"];
  if (typeof lockToken !== "string" || lockToken === "")
    throw new InvalidMessageError(
      "the trigger gave no lock token: is autoCompleteMessages false and the receive mode peek-lock?",
    );
  return { sequenceNumber, lockToken };
}
