import type { Source } from "../shared/run/source.ts";
import type { Azure } from "./azure.ts";

/**
 * Sends a message to a queue that is empty, and waits until it is settled. Resolves to how many seconds that took;
 * undefined if it was not settled within these minutes.
 */
export async function settleOne(
  { bus, until, now }: Azure,
  source: Source,
  body: Buffer,
  minutes: number,
): Promise<number | undefined> {
  await bus.send(source, [{ messageId: "one", body }]);
  const sentAt = now();
  const isSettled = await until(async () => (await bus.peek(source)).length === 0, minutes);
  return isSettled ? Math.round((now() - sentAt) / 1_000) : undefined;
}
