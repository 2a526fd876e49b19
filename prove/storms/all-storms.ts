import { brokenImage } from "./broken-image.ts";
import { crowd, failingCrowd } from "./crowds.ts";
import { busyStorage, clusterAway, throttledBus } from "./outages.ts";
import type { Storm } from "./storm.ts";
import { twoClocks } from "./two-clocks.ts";

/** The storms, by the names that the command line takes. */
export const STORMS: Readonly<Record<string, Storm>> = {
  crowd,
  "failing-crowd": failingCrowd,
  "broken-image": brokenImage,
  "throttled-bus": throttledBus,
  "busy-storage": busyStorage,
  "cluster-away": clusterAway,
  "two-clocks": twoClocks,
};
