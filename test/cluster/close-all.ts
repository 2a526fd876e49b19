/**
 * Calls every one of these functions, the last one first, also if another one fails. Throws what failed. Leaves the
 * list empty.
 */
export async function closeAll(closing: (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const close of closing.splice(0).toReversed())
    await close().catch((error: unknown) => {
      failures.push(error);
    });
  if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join("\n"));
}
