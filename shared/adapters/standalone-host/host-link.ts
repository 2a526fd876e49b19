import { errorText } from "../../errors.ts";
import type { HostLink, LinkAnswer } from "../../ports/host-link.ts";
import { carriedProperties, toPeekedMessage } from "../service-bus/message.ts";
import { lettersToTry, stampsToTry } from "../service-bus/properties-that-fit.ts";
import type { OfferedDeliveries, OfferedDelivery } from "./offered-deliveries.ts";

const IN_PROCESS_TIMEOUT_MS = 10_000;

/** Makes the link of the standalone host, which runs in this process. An answer takes `timeoutMs` at most. */
export function makeStandaloneHostLink(
  offered: OfferedDeliveries,
  { timeoutMs = IN_PROCESS_TIMEOUT_MS }: { readonly timeoutMs?: number } = {},
): HostLink {
  async function settle(lockToken: string, how: (delivery: OfferedDelivery) => Promise<void>): Promise<LinkAnswer> {
    const delivery = offered.get(lockToken);
    if (delivery === undefined) return { kind: "in doubt", why: "the host has ended the invocation" };
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<LinkAnswer>((resolve) => {
      timer = setTimeout(() => resolve({ kind: "in doubt", why: `no answer within ${timeoutMs} ms` }), timeoutMs);
    });
    const answer = how(delivery).then(
      (): LinkAnswer => ({ kind: "done" }),
      (error: unknown): LinkAnswer => ({ kind: "in doubt", why: errorText(error) }),
    );
    return Promise.race([answer, timeout]).finally(() => clearTimeout(timer));
  }

  return {
    message(source, lockToken) {
      const delivery = offered.get(lockToken);
      return delivery && toPeekedMessage(source, delivery.message);
    },
    defer: (lockToken, stamp) =>
      settle(lockToken, async ({ message, defer }) => defer(stampsToTry(stamp, carriedProperties(message))[0])),
    complete: (lockToken) => settle(lockToken, ({ complete }) => complete()),
    deadLetter: (lockToken, letter) =>
      settle(lockToken, async ({ message, deadLetter }) =>
        deadLetter(lettersToTry(letter, carriedProperties(message))[0]),
      ),
    problem: async () => undefined,
  };
}
