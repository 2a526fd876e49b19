import { describe, expect, it } from "vitest";
import { readDelivery } from "../../../shared/accept/read-delivery.ts";

describe("readDelivery", () => {
  it("reads the metadata of a host, with the sequence number as a number or as text", () => {
    const lockToken = "8f1b2c3d-0000-4000-8000-000000000001";
    expect(readDelivery({ sequenceNumber: 42, lockToken })).toEqual({ sequenceNumber: 42, lockToken });
    expect(readDelivery({ sequenceNumber: "42", lockToken })).toEqual({ sequenceNumber: 42, lockToken });
  });

  it.each([
    // A partitioned entity puts the partition into the top 16 bits. JSON has rounded such a number already.
    {
      name: "a partitioned entity's number",
      metadata: { sequenceNumber: 2 ** 60, lockToken: "t" },
      says: /partitioned/,
    },
    {
      name: "a low partition's number",
      metadata: { sequenceNumber: 2 ** 48 + 1, lockToken: "t" },
      says: /partitioned/,
    },
    { name: "no number", metadata: { lockToken: "t" }, says: /sequence number of type undefined/ },
    { name: "a fraction", metadata: { sequenceNumber: 1.5, lockToken: "t" }, says: /1\.5/ },
    { name: "an object", metadata: { sequenceNumber: { toString: "" }, lockToken: "t" }, says: /of type object/ },
    { name: "no token", metadata: { sequenceNumber: 1 }, says: /lock token/ },
    { name: "no metadata", metadata: undefined, says: /sequence number/ },
  ])("refuses $name", ({ metadata, says }) => {
    expect(() => readDelivery(metadata)).toThrow(says);
  });
});
