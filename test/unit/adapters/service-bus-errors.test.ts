import { ServiceBusError } from "@azure/service-bus";
import { describe, expect, it } from "vitest";
import {
  isLockLost,
  isMessageNotFound,
  isRefusal,
  isSessionRequired,
  translateError,
} from "../../../shared/adapters/service-bus/errors.ts";
import { EntityMissingError, errorText, LockLostError, UnavailableError } from "../../../shared/errors.ts";

const call = { source: { topic: "images", subscription: "thumbs" }, operation: "defer" };
const place = { kind: "identity", host: "acme.servicebus.windows.net", clientId: "1234" } as const;
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
      want: EntityMissingError,
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
    const error = translateError(thrown, call, place);
    expect(error).toBeInstanceOf(want);
    expect(errorText(error)).toMatch(says);
    expect(errorText(error)).toContain("images/thumbs");
    expect(error).toHaveProperty("cause");
  });

  it.each([
    {
      name: "a missing role",
      thrown: sdk("UnauthorizedAccess"),
      says: /no access to subscription "images\/thumbs" in acme\.servicebus\.windows\.net\. .*"Azure Service Bus Data Receiver" on it \(az role assignment create .*--assignee 1234 .*\/topics\/images\/subscriptions\/thumbs\)/,
    },
    {
      name: "a key that does not do",
      thrown: sdk("UnauthorizedAccess"),
      at: { kind: "key", host: "acme.servicebus.windows.net" } as const,
      says: /needs the right Listen\. If the namespace takes no keys, set ServiceBus__fullyQualifiedNamespace/,
    },
    {
      name: "a missing entity",
      thrown: sdk("MessagingEntityNotFound"),
      says: /does not exist in acme\.servicebus\.windows\.net: create it \(az servicebus topic create .*\)$/,
    },
    {
      name: "a missing entity of an emulator",
      thrown: sdk("MessagingEntityNotFound"),
      at: { kind: "key", host: "localhost" } as const,
      says: /does not exist in localhost: create it$/,
    },
    {
      name: "a wrong namespace",
      thrown: sdk("GeneralError", "ENOTFOUND: getaddrinfo ENOTFOUND acme.servicebus.windows.net"),
      says: /namespace acme\.servicebus\.windows\.net does not resolve in DNS\. Set ServiceBus__fullyQualifiedNamespace .*: az servicebus namespace list /,
    },
  ])("says in one line what to do: $name", ({ thrown, says, at = place }) => {
    const error = translateError(thrown, call, at);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toHaveProperty("message", expect.stringMatching(says));
  });

  it("stays as it is where it is a bug of ours", () => {
    for (const bug of [new TypeError("x"), new RangeError("y")]) expect(translateError(bug, call, place)).toBe(bug);
  });

  it("is a refusal only where the same request would be refused again", () => {
    expect(isRefusal(sdk("MessageSizeExceeded"))).toBe(true);
    expect(isRefusal(sdk("GeneralError", "ArgumentError: too much"))).toBe(true);
    expect(isRefusal(sdk("ServiceBusy", "", true))).toBe(false);
    expect(isRefusal(sdk("MessageLockLost"))).toBe(false);
    expect(isRefusal(sdk("GeneralError", "ReceiverDisconnectedError: gone"))).toBe(false);
    expect(isRefusal(new Error("what"))).toBe(false);
  });

  it("says that the entity requires sessions only in the service's own sentence for it", () => {
    const refused =
      "InvalidOperationError: It is not possible for an entity that requires sessions to create a non-sessionful message receiver. TrackingId:74094b98_G13, SystemTracker:acme:queue:q, Timestamp:2026-01-01T00:00:00";
    expect(isSessionRequired(sdk("GeneralError", refused))).toBe(true);
    expect(isSessionRequired(new AggregateError([sdk("ServiceBusy"), sdk("GeneralError", refused)]))).toBe(true);
    // An AMQP session is part of every connection, and has nothing to do with the sessions of an entity.
    for (const passing of [
      "InternalError: The session was closed by the peer",
      "SessionWindowViolationError: The session's window was violated",
      "OperationTimeoutError: Unable to create the amqp session",
      "InvalidOperationError: A sessionful message receiver cannot be created on an entity that does not require sessions.",
    ])
      expect([passing, isSessionRequired(sdk("GeneralError", passing))]).toEqual([passing, false]);
  });

  it("is told apart after a retry, too", () => {
    expect(isMessageNotFound(new AggregateError([sdk("ServiceBusy"), sdk("MessageNotFound")]))).toBe(true);
    expect(isLockLost(sdk("MessageNotFound"))).toBe(false);
  });
});
