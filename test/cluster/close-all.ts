/** Runs every one of these, the last one first, whatever becomes of the others; throws what failed. None is left in the list. */
export async function closeAll(closing: (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const close of closing.splice(0).toReversed())
    await close().catch((error: unknown) => {
      failures.push(error);
    });
  if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join("\n"));
}
