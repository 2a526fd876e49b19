import { randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import type { ClusterState } from "./cluster-state.ts";
import { type Change, keyOf } from "./store.ts";
import type { Config, Job, Pod, StoredObject } from "./wire.ts";

/** How much longer than it need be a log may always be. */
const SPARE_BYTES = 16 * 1024 * 1024;
/** The ConfigMap that each start makes anew, because it holds the certificate. */
const ROOT_CA = "kube-root-ca.crt";

/** What a log holds: every object that was there when it was last written to. */
export interface KeptObjects {
  /** Tells this cluster from others, for as long as the log is kept. */
  readonly uid: string;
  readonly jobs: readonly Job[];
  readonly pods: readonly Pod[];
  readonly secrets: readonly Config[];
  readonly configMaps: readonly Config[];
}

const KINDS = ["jobs", "pods", "secrets", "configMaps"] as const;
type Kind = (typeof KINDS)[number];

/** One line of the log: an object as it is now, one that is gone, or the cluster's uid. */
type Line =
  | { readonly put: Kind; readonly object: StoredObject }
  | { readonly del: Kind; readonly key: string }
  | { readonly uid: string };

/**
 * Reads the log of an earlier start. A last line that was torn is dropped. If there is no log, the cluster is a new one,
 * with a uid of its own. Throws an Error that names the file if another line is damaged.
 */
export function readObjects(path: string): KeptObjects {
  const kept = { jobs: new Map(), pods: new Map(), secrets: new Map(), configMaps: new Map() };
  let uid = randomBytes(6).toString("hex");
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
  // What follows the last line feed is empty, or torn.
  for (const [index, text] of lines.slice(0, -1).entries()) {
    const line = parsed(text);
    if (line === undefined)
      throw new Error(`${path}: line ${index + 1} is damaged. Forget what is kept by starting with --fresh`);
    if ("uid" in line) uid = line.uid;
    else if ("del" in line) kept[line.del].delete(line.key);
    else kept[line.put].set(keyOf(line.object.metadata.namespace, line.object.metadata.name), line.object);
  }
  return {
    uid,
    jobs: [...kept.jobs.values()],
    pods: [...kept.pods.values()],
    secrets: [...kept.secrets.values()],
    configMaps: [...kept.configMaps.values()],
  };
}

/**
 * Writes the log anew with what the cluster holds, and from then on each change before anyone hears of it. It writes the
 * log anew again whenever that has become several times as long as it need be, because a Job changes some ten times.
 * Returns the end of that. `spareBytes` is what the log may always grow by.
 */
export function keepObjects(path: string, uid: string, state: ClusterState, spareBytes = SPARE_BYTES): () => void {
  let log = rewrite(path, uid, state);
  let bytes = 0;
  const write = (line: Line): void => {
    bytes += append(log.file, line);
    if (bytes < Math.max(spareBytes, 4 * log.bytes)) return;
    closeSync(log.file);
    log = rewrite(path, uid, state);
    bytes = 0;
  };
  const stops = KINDS.map((kind) =>
    state[kind].listen(({ type, object }: Change<StoredObject>) => {
      if (!isKept(object)) return;
      if (type === "DELETED") write({ del: kind, key: keyOf(object.metadata.namespace, object.metadata.name) });
      else write({ put: kind, object });
    }),
  );
  return () => {
    for (const stop of stops) stop();
    closeSync(log.file);
  };
}

/** Replaces the log by one that holds each object once. It takes the old one's place only when it is whole. */
function rewrite(path: string, uid: string, state: ClusterState): { readonly file: number; readonly bytes: number } {
  const draft = `${path}.new`;
  const file = openSync(draft, "w", 0o600);
  let bytes = append(file, { uid });
  for (const kind of KINDS)
    for (const object of state[kind].inOrder()) if (isKept(object)) bytes += append(file, { put: kind, object });
  renameSync(draft, path);
  return { file, bytes };
}

function append(file: number, line: Line): number {
  return writeSync(file, `${JSON.stringify(line)}\n`);
}

function isKept({ metadata }: StoredObject): boolean {
  return metadata.name !== ROOT_CA;
}

function parsed(text: string): Line | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
