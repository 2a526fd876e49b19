import type { Source } from "../shared/run/source.ts";
import type { Azure } from "./azure.ts";

/**
 * Sends to a source that is empty, and waits until it is empty again. Resolves to how many seconds that took; undefined
 * if it was not within these minutes.
 */
export async function untilSettled(
  { bus, until, now }: Azure,
  source: Source,
  send: () => Promise<unknown>,
  minutes: number,
): Promise<number | undefined> {
  const startedAt = now();
  await send();
  const isSettled = await until(async () => (await bus.peek(source)).length === 0, minutes);
  return isSettled ? Math.round((now() - startedAt) / 1_000) : undefined;
}
