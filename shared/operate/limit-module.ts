import type { EpochMs } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import { ConflictError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { StoredLimit } from "../ports/instance-table.ts";
import { isInForce, isPause, type ModuleLimit } from "../run/module-limit.ts";
import { type Answer, already, done, refused, would } from "./answer.ts";
import { actionOf, type Doing, fieldsOf } from "./by.ts";

/** The most slots that a limit may give: as many as a module file. */
const MOST_SLOTS = 100_000;

type Deps = Pick<Dependencies, "instanceTable" | "clock" | "modules">;

/** How a module is limited, and until when. */
export interface Limiting extends Doing {
  /** When the limit ends by itself. If undefined, it holds until a person lifts it. */
  readonly untilMs?: EpochMs;
}

/**
 * Lets so many Jobs of a module be at work, whatever its file says; 0 pauses the module. Each replica obeys within 10 s.
 * Jobs at work go on, and messages are accepted as ever. It takes the place of an earlier limit, and repeating it is
 * harmless.
 */
export async function limitModule(
  { instanceTable, clock, modules }: Deps,
  module: string,
  slots: number,
  { by, untilMs: until, dryRun = false }: Limiting,
  log: Log,
): Promise<Answer> {
  if (!modules.has(module)) return refused({ because: "unknown module" });
  if (!Number.isInteger(slots) || slots < 0 || slots > MOST_SLOTS)
    return refused({ because: "impossible slots", most: MOST_SLOTS });
  const now = clock.now();
  if (until !== undefined && until <= now) return refused({ because: "end has passed" });
  const stored = await limitOf(instanceTable, module);
  const known = stored?.limit;
  if (isInForce(known, now) && known.slots === slots && known.until === until)
    return already({ was: "limited", ...known });
  const limit: ModuleLimit = { module, slots, ...by, since: now, ...(until === undefined ? {} : { until }) };
  const facts = { did: "limited", ...limit } as const;
  if (dryRun) return would(facts);
  const deed = isPause(limit) ? "pause" : "limit";
  const noted = { ...(deed === "limit" ? { slots } : {}), ...(until === undefined ? {} : { until }) };
  try {
    await instanceTable.saveLimit(limit, stored?.etag, actionOf(by, deed, module, now, noted));
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return refused({ because: "limit moved on" });
  }
  log.warn(deed === "pause" ? "paused a module by hand" : "limited a module by hand", {
    module,
    ...(deed === "limit" ? { slots } : {}),
    ...(until === undefined ? {} : { until: new Date(until).toISOString() }),
    ...fieldsOf(by),
  });
  return done(facts);
}

/**
 * Lifts the pause or limit of a module, so that its file says again how many Jobs may be at work. What waited starts, the
 * message enqueued first at the front. Also lifts that of a module whose file is gone. Repeating it is harmless.
 */
export async function resumeModule(
  { instanceTable, clock, modules }: Deps,
  module: string,
  { by, dryRun = false }: Doing,
  log: Log,
): Promise<Answer> {
  const stored = await limitOf(instanceTable, module);
  if (!stored) return modules.has(module) ? already({ was: "not limited" }) : refused({ because: "unknown module" });
  const { limit, etag } = stored;
  const now = clock.now();
  const hasEnded = !isInForce(limit, now);
  const facts = { did: "resumed", slots: limit.slots } as const;
  if (dryRun) return hasEnded ? already({ was: "not limited" }) : would(facts);
  try {
    // A limit that has ended was not lifted by this person.
    await instanceTable.removeLimit(
      module,
      etag,
      hasEnded ? undefined : actionOf(by, "resume", module, now, { slots: limit.slots }),
    );
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return refused({ because: "limit moved on" });
  }
  if (hasEnded) return already({ was: "not limited" });
  log.warn("resumed a module by hand", { module, ...fieldsOf(by) });
  return done(facts);
}

async function limitOf(table: Deps["instanceTable"], module: string): Promise<StoredLimit | undefined> {
  return (await table.limits()).find(({ limit }) => limit.module === module);
}
