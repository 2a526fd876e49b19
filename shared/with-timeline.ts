import type { Clock } from "./clock.ts";
import type { RunTable } from "./ports/run-table.ts";
import { traced } from "./run/timeline.ts";

/**
 * Has each write of a run add to the run's timeline what happens by it. It makes no write of its own, and no other room
 * has to think of it.
 */
export function withTimeline(table: RunTable, clock: Pick<Clock, "now">): RunTable {
  const writes: Pick<RunTable, "insert" | "claim" | "update" | "close" | "reopen"> = {
    insert: (run) => table.insert(traced(undefined, run, clock.now())),
    claim: (run, earlier) => table.claim(traced(undefined, run, clock.now()), earlier),
    update: (stored, next, action) => table.update(stored, traced(stored.run, next, clock.now()), action),
    close: (stored, closed, letter) => table.close(stored, traced(stored.run, closed, clock.now()), letter),
    reopen: (closed, run) => table.reopen(closed, traced(closed.run, run, clock.now())),
  };
  // The command's table is loaded once it is asked, so that its methods can't be listed.
  return new Proxy(table, {
    get: (target, name): unknown => Reflect.get(Object.hasOwn(writes, name) ? writes : target, name),
  });
}
