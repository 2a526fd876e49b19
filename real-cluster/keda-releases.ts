/**
 * The releases of KEDA that can be built, oldest first: those that AKS ships, and the newest. Each has a Go module of
 * its own in go/, with the replace lines of that release, because they don't build with each other's dependencies.
 */
export const KEDA_RELEASES = ["2.16", "2.19", "2.21"] as const;

export type KedaRelease = (typeof KEDA_RELEASES)[number];

/** The release that runs unless another one is asked for. */
export const NEWEST_KEDA: KedaRelease = "2.21";

/** The folder of each release's Go module. */
export const KEDA_MODULES = { "2.16": "keda-2.16", "2.19": "keda-2.19", "2.21": "keda" } as const;

/** Reads the name of a release; undefined if it can't be built. */
export function readKedaRelease(text: string): KedaRelease | undefined {
  return KEDA_RELEASES.find((release) => release === text);
}
