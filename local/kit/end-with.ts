/**
 * Has this program close what it serves and end, once it is told to by SIGTERM or SIGINT. A program that was forked with
 * an IPC channel ends with its parent too, however that one ended.
 */
export function endWith(close: () => Promise<void>): void {
  let ending: Promise<void> | undefined;
  const end = () => {
    ending ??= close().then(() => process.exit(0));
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, end);
  process.on("disconnect", end);
  // The parent ended before this program listened for that. It is undefined in a program that has no such parent.
  if (Object.is(process.connected, false)) end();
}
