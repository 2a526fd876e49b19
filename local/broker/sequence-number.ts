/** A partition from 32 on makes numbers that a JavaScript number cannot hold. */
const PARTITION = 119n;
const PARTITION_BITS = 48n;

/** Encodes a sequence number for the wire. A partitioned entity's number has its partition in the top 16 bits. */
export function toWire(sequenceNumber: number, partitioned: boolean): number | Buffer {
  if (!partitioned) return sequenceNumber;
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE((PARTITION << PARTITION_BITS) | BigInt(sequenceNumber));
  return bytes;
}

/**
 * Decodes a sequence number of the wire. A number that belongs to no partition here counts from that partition's start.
 */
export function fromWire(value: number | Buffer, partitioned: boolean): number {
  const number = typeof value === "number" ? BigInt(Math.trunc(value)) : value.readBigInt64BE();
  if (!partitioned) return Number(number);
  const base = PARTITION << PARTITION_BITS;
  return number < base ? 0 : Number(number - base);
}
