import { act } from "../act.ts";
import type { DoingFlags } from "../doing.ts";
import type { TargetFlags } from "../target/flags.ts";

/** Limits a module to so many slots, or pauses it with none, perhaps for a time in ms. */
export function limitModule(
  module: string,
  slots: number,
  flags: TargetFlags & DoingFlags & { readonly for?: number },
): Promise<number> {
  const until = flags.for === undefined ? {} : { untilMs: Date.now() + flags.for };
  return act(flags, flags, {
    words: slots === 0 ? `pause ${module}` : `limit ${module} to ${slots}`,
    judgesNothing: true,
    act: (operator, how) =>
      slots === 0 ? operator.pause(module, { ...how, ...until }) : operator.limit(module, slots, { ...how, ...until }),
  });
}

/** Lifts the pause or the limit of a module. */
export function resumeModule(module: string, flags: TargetFlags & DoingFlags): Promise<number> {
  return act(flags, flags, {
    words: `resume ${module}`,
    judgesNothing: true,
    act: (operator, how) => operator.resume(module, how),
  });
}
