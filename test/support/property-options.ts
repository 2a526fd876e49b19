const TIMES = Number(process.env["PROPERTY_RUNS"] ?? 1);

interface PropertyOptions {
  readonly numRuns: number;
  readonly interruptAfterTimeLimit: number;
  readonly seed?: number;
  readonly path?: string;
}

/**
 * How often a property is tried. `PROPERTY_RUNS=50` tries each fifty times as often, for a long soak. A failure prints its seed and path, and
 * that of commands a replayPath: `PROPERTY_SEED=... PROPERTY_PATH=... PROPERTY_REPLAY=...` plays the shrunk case again, with `-t` for the one test.
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

/** Later than fast-check stops by itself, with what it has by then: a test that is cut off would not say its seed. */
export const PROPERTY_TIMEOUT_MS = 60_000 * TIMES;

/** For `fc.commands`: which of them the shrunk case leaves out. */
export function replayOptions(): { replayPath?: string } {
  const { PROPERTY_REPLAY: replayPath } = process.env;
  return replayPath === undefined ? {} : { replayPath };
}
