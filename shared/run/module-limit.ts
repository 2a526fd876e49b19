import type { EpochMs } from "../clock.ts";

/**
 * How many Jobs of a module may be at work, by a person's word. It takes the place of the module's `maxActive` for as
 * long as it is in force. It is kept apart from the module's file, and from what the Dispatcher itself finds out about
 * the module, so that no release and no new image lifts it: only a person does, or its own end.
 */
export interface ModuleLimit {
  readonly module: string;
  /** So many Jobs at once. With 0 the module is paused: nothing of it starts, and Jobs at work go on. */
  readonly slots: number;
  /** The person who said so. */
  readonly who: string;
  readonly why?: string;
  readonly since: EpochMs;
  /** When it ends by itself. If undefined, it holds until a person lifts it. */
  readonly until?: EpochMs;
}

/** Says whether a limit holds now. One that has ended counts as none. */
export function isInForce(limit: ModuleLimit | undefined, now: EpochMs): limit is ModuleLimit {
  return limit !== undefined && (limit.until === undefined || now < limit.until);
}

/** Says how many slots a module has: by its limit, if one is in force, or else by its file, if that is there. */
export function slotsBy<OfFile extends number | undefined>(
  limit: Pick<ModuleLimit, "slots"> | undefined,
  maxActive: OfFile,
): number | OfFile {
  return limit?.slots ?? maxActive;
}

/** Says whether a limit that is in force lets nothing start. */
export function isPause({ slots }: Pick<ModuleLimit, "slots">): boolean {
  return slots === 0;
}
