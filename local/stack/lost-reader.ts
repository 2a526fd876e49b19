/**
 * Calls `stop` when the program that read this process's output is gone, as after Ctrl-C in `npm start | tee log`. What
 * is written from then on is dropped. Without this, the first such line would end the process before it has cleaned up.
 */
export function whenReaderIsGone(
  stop: () => void,
  streams: readonly NodeJS.WritableStream[] = [process.stdout, process.stderr],
): void {
  let isGone = false;
  for (const stream of streams) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      // What `stop` itself writes fails too.
      if (isGone) return;
      isGone = true;
      stop();
    });
  }
}
