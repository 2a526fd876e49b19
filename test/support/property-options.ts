/**
 * How often a property is tried. `PROPERTY_RUNS=50` tries each fifty times as often, for a long soak. A failure prints its seed and path:
 * `PROPERTY_SEED=... PROPERTY_PATH=...` plays the shrunk case again, with `-t` for the one test.
 */
export function propertyOptions(numRuns: number): { numRuns: number; seed?: number; path?: string } {
  const { PROPERTY_RUNS: times, PROPERTY_SEED: seed, PROPERTY_PATH: path } = process.env;
  return {
    numRuns: numRuns * Number(times ?? 1),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path }),
  };
}

/** For tests of properties: a soak takes as long as it takes. */
export const PROPERTY_TIMEOUT_MS = 60_000 * Number(process.env["PROPERTY_RUNS"] ?? 1);
