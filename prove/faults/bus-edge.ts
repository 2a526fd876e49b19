import type { ManagementCall } from "../../local/broker/interference.ts";
import type { Disposition } from "../../local/broker/stored-message.ts";
import type { Edge } from "./edges.ts";

/**
 * Names the call of the app that this request to an entity's management is; undefined if the app makes no such request.
 */
export function busEdge({
  entity,
  operation,
  body,
}: Pick<ManagementCall, "entity" | "operation" | "body">): Edge | undefined {
  const field = (name: string): unknown => Reflect.get(Object(body), name);
  switch (operation) {
    case "com.microsoft:peek-message":
      return Number(field("message-count")) === 1 ? "peek at a message" : "browse the messages";
    case "com.microsoft:receive-by-sequence-number":
      return asksForNothing(field("sequence-numbers")) ? "verify a source" : "receive a deferred message";
    case "com.microsoft:renew-lock":
      return "renew a lock";
    case "com.microsoft:update-disposition":
      return isOfLetters(entity)
        ? letterEdge(field("disposition-status"))
        : dispositionEdge(field("disposition-status"), field("deadletter-reason"));
    default:
      return undefined;
  }
}

function dispositionEdge(status: unknown, reason: unknown): Edge | undefined {
  switch (status) {
    case "defered":
      return "defer a message";
    case "completed":
      return "complete a message";
    case "abandoned":
      return "abandon a message";
    case "suspended":
      return reason === "DispatchRejected" ? "reject a message" : "dead-letter a message";
    default:
      return undefined;
  }
}

/** Whether an entity is the dead letter queue of another. */
export function isOfLetters(entity: string): boolean {
  return entity.toLowerCase().endsWith("/$deadletterqueue");
}

function letterEdge(status: unknown): Edge | undefined {
  switch (status) {
    case "defered":
      return "defer a letter";
    case "completed":
      return "complete a letter";
    case "abandoned":
      return "abandon a letter";
    default:
      return undefined;
  }
}

/**
 * Names the call of the app that this settlement on a receiver's link is; undefined if it is the host's own abandon,
 * which it makes if a function throws, or a release, which nothing here makes.
 */
export function settlementEdge({ kind }: Pick<Disposition, "kind">): Edge | undefined {
  switch (kind) {
    case "defer":
      return "defer a delivery";
    case "complete":
      return "complete a delivery";
    case "deadLetter":
      return "dead-letter a delivery";
    case "abandon":
    case "release":
      return undefined;
    default:
      return kind satisfies never;
  }
}

/** Recognises the request by which the app checks a source: it asks for a number that no entity ever reaches. */
function asksForNothing(numbers: unknown): boolean {
  if (!Array.isArray(numbers)) return false;
  return numbers.every((number: unknown) => {
    const value = Buffer.isBuffer(number) ? Number(number.readBigInt64BE()) : Number(number);
    return value >= 2 ** 48 - 1;
  });
}
