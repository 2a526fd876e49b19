import { ServiceBusError } from "@azure/service-bus";
import { describe, expect, it } from "vitest";
import {
  isLockLost,
  isMessageNotFound,
  isRefusal,
  translateError,
} from "../../../shared/adapters/service-bus-errors.ts";
import { errorText, LockLostError, UnavailableError } from "../../../shared/errors.ts";

const call = { source: { topic: "images", subscription: "thumbs" }, operation: "defer" };
/** As the SDK makes them: a code of its own, or GeneralError with AMQP's name in front of the text. */
const sdk = (code: string, message = "what the service said", retryable = false) =>
  Object.assign(new ServiceBusError(message, "GeneralError"), { code, message, retryable });

describe("an error of the Service Bus SDK", () => {
  it.each([
    {
      name: "MessageLockLost",
      thrown: sdk("MessageLockLost"),
      want: LockLostError,
      says: /lock on the message is lost/,
    },
    {
      name: "a bare 410",
      thrown: sdk("GeneralError", "ReceiverDisconnectedError: gone"),
      want: LockLostError,
      says: /lost/,
    },
    {
      name: "MessagingEntityNotFound",
      thrown: sdk("MessagingEntityNotFound"),
      want: UnavailableError,
      says: /does not exist/,
    },
    {
      name: "UnauthorizedAccess",
      thrown: sdk("UnauthorizedAccess"),
      want: UnavailableError,
      says: /Azure Service Bus Data Receiver/,
    },
    { name: "ServiceBusy", thrown: sdk("ServiceBusy", "slow down", true), want: UnavailableError, says: /slow down/ },
    {
      name: "ServiceTimeout",
      thrown: sdk("ServiceTimeout", "timed out", true),
      want: UnavailableError,
      says: /timed out/,
    },
    {
      name: "no connection",
      thrown: sdk("GeneralError", "ECONNREFUSED: no"),
      want: UnavailableError,
      says: /ECONNREFUSED/,
    },
    {
      name: "no credential",
      thrown: new Error("no managed identity"),
      want: UnavailableError,
      says: /no managed identity/,
    },
    {
      name: "a retried one",
      thrown: new AggregateError([sdk("ServiceBusy"), sdk("MessageLockLost")]),
      want: LockLostError,
      says: /lost/,
    },
  ])("$name", ({ thrown, want, says }) => {
    const error = translateError(thrown, call);
    expect(error).toBeInstanceOf(want);
    expect(errorText(error)).toMatch(says);
    expect(errorText(error)).toContain("images/thumbs");
    expect(error).toHaveProperty("cause");
  });

  it("stays as it is where it is a bug of ours", () => {
    for (const bug of [new TypeError("x"), new RangeError("y")]) expect(translateError(bug, call)).toBe(bug);
  });

  it("is a refusal only where the same request would be refused again", () => {
    expect(isRefusal(sdk("MessageSizeExceeded"))).toBe(true);
    expect(isRefusal(sdk("GeneralError", "ArgumentError: too much"))).toBe(true);
    expect(isRefusal(sdk("ServiceBusy", "", true))).toBe(false);
    expect(isRefusal(sdk("MessageLockLost"))).toBe(false);
    expect(isRefusal(sdk("GeneralError", "ReceiverDisconnectedError: gone"))).toBe(false);
    expect(isRefusal(new Error("what"))).toBe(false);
  });

  it("is told apart after a retry, too", () => {
    expect(isMessageNotFound(new AggregateError([sdk("ServiceBusy"), sdk("MessageNotFound")]))).toBe(true);
    expect(isLockLost(sdk("MessageNotFound"))).toBe(false);
  });
});
