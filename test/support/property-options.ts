const TIMES = Number(process.env["PROPERTY_RUNS"] ?? 1);

interface PropertyOptions {
  readonly numRuns: number;
  readonly interruptAfterTimeLimit: number;
  readonly seed?: number;
  readonly path?: string;
}

/**
 * How often a property is tried. `PROPERTY_RUNS=50` tries each fifty times as often, for a long soak. A failure prints
 * its seed and path, and for commands also a replayPath. `PROPERTY_SEED=... PROPERTY_PATH=... PROPERTY_REPLAY=...`,
 * with `-t` for the one test, plays the shrunk case again.
 */
export function propertyOptions(numRuns: number): PropertyOptions {
  const { PROPERTY_SEED: seed, PROPERTY_PATH: path } = process.env;
  return {
    numRuns: numRuns * TIMES,
    interruptAfterTimeLimit: 40_000 * TIMES,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path }),
  };
}

/**
 * The test's time limit. It is later than the one at which fast-check stops by itself, because a test that is cut off
 * would not print its seed.
 */
export const PROPERTY_TIMEOUT_MS = 60_000 * TIMES;

/** For `fc.commands`: which commands the shrunk case leaves out. */
export function replayOptions(): { replayPath?: string } {
  const { PROPERTY_REPLAY: replayPath } = process.env;
  return replayPath === undefined ? {} : { replayPath };
}
