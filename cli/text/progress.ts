import yoctoSpinner from "yocto-spinner";
import { isLive } from "./style.ts";

/** Nobody waits for less. */
const QUIET_MS = 1_000;

/** Shows how far something is. */
export interface Progress {
  /** So many are done. */
  at(count: number): void;
  /** Shows these words from now on. */
  now(words: string): void;
  /** Takes the line away. */
  end(): void;
}

/**
 * Shows on stderr that something takes long, and how far it is if `total` is known. It begins after a second, and shows
 * nothing if stderr is no terminal.
 */
export function showProgress(words: string, total?: number): Progress {
  if (!isLive(process.stderr)) return { at: () => {}, now: () => {}, end: () => {} };
  const spinner = yoctoSpinner({ text: words, stream: process.stderr });
  const timer = setTimeout(() => spinner.start(), QUIET_MS);
  return {
    at(count) {
      spinner.text = total === undefined ? `${words}: ${count}` : `${words}: ${count} of ${total}`;
    },
    now(text) {
      spinner.text = text;
    },
    end() {
      clearTimeout(timer);
      if (spinner.isSpinning) spinner.stop();
    },
  };
}

/** Does something, and shows how far that is. */
export async function during<T>(
  words: string,
  act: (show: (count: number) => void) => Promise<T>,
  total?: number,
): Promise<T> {
  const progress = showProgress(words, total);
  try {
    return await act((count) => progress.at(count));
  } finally {
    progress.end();
  }
}
