import { type Source, sourceKey } from "../run/source.ts";
import type { SweptPage } from "./sweep.ts";

/**
 * Makes what keeps the pace of each source's sweep, because the bus counts every message that it peeks at.
 *
 *   hurried   takes a page in each tick. So begins a process, and so goes on a sweep that has found something, because
 *             what lost one message may have lost many
 *   calm      takes a page in the ticks that list, about once a minute. So goes on a sweep that went from the front of
 *             the source to its end, or from where the process found it, and found nothing
 *
 * Between its end and its front each sweep waits for a tick that lists. All this is a hint, not state: a replica that
 * forgets it hurries once.
 */
export function makeSweepPace() {
  const calm = new Set<string>();
  /** The sources whose sweep has found something since it was at the front. */
  const withFinds = new Set<string>();
  /** The sources whose next page does not wait for a tick that lists. */
  const hurried = new Set<string>();

  return {
    /** Notes what the page came to that a sweep has just taken. */
    note(source: Source, { isThrough, hasFound }: SweptPage): void {
      const key = sourceKey(source);
      if (hasFound) {
        withFinds.add(key);
        calm.delete(key);
      }
      if (isThrough && !withFinds.delete(key)) calm.add(key);
      if (isThrough || calm.has(key)) hurried.delete(key);
      else hurried.add(key);
    },

    /** Leaves the next page of a source to a tick that lists. */
    rest(source: Source): void {
      hurried.delete(sourceKey(source));
    },

    isHurried: (source: Source): boolean => hurried.has(sourceKey(source)),
    isAnyHurried: (): boolean => hurried.size > 0,
  };
}
