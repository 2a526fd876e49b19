import { type Module } from "../../shared/modules/module.ts";
import { DEFAULT_RETRY } from "../../shared/run/retry-policy.ts";

/** The module of `aRun`, changed by `over`. */
export function aModule(over: Partial<Module> = {}): Module {
  return {
    name: "thumbnail",
    file: "modules/thumbnail.yaml",
    fileDigest: "0123456789abcdef",
    source: { queue: "thumbnails" },
    when: undefined,
    schema: undefined,
    retry: DEFAULT_RETRY,
    maxRunningTimeMs: 3_600_000,
    startTimeoutMs: 900_000,
    maxActive: 100,
    publishes: [],
    work: { kind: "worker", worker: { image: "busybox", command: ["true"] }, handler: undefined },
    ...over,
  };
}
