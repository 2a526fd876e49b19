import { InvalidMessageError } from "../errors.ts";
import { FIRST_PARTITIONED_NUMBER } from "../run/sequence-number.ts";
import type { Delivery } from "./accept.ts";

/**
 * Reads sequence number and lock token out of a trigger's metadata. Throws InvalidMessageError if they can't be used:
 * the numbers of a partitioned entity arrive rounded.
 */
export function readDelivery(metadata: Readonly<Record<string, unknown>> | undefined): Delivery {
  const given = metadata?.["sequenceNumber"];
  const isNumeric = typeof given === "number" || typeof given === "string";
  const sequenceNumber = isNumeric ? Number(given) : Number.NaN;
  if (!Number.isInteger(sequenceNumber) || sequenceNumber < 0 || sequenceNumber >= FIRST_PARTITIONED_NUMBER)
    throw new InvalidMessageError(
      `sequence number ${isNumeric ? given : `of type ${typeof given}`} is not usable: is the entity partitioned? Use one without partitions`,
    );
  const lockToken = metadata?.["lockToken"];
  if (typeof lockToken !== "string" || lockToken === "")
    throw new InvalidMessageError(
      "the trigger gave no lock token: is autoCompleteMessages false and the receive mode peek-lock?",
    );
  return { sequenceNumber, lockToken };
}
