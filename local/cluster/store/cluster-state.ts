import { randomUUID } from "node:crypto";
import { Collection, type VersionCounter } from "./store.ts";
import { type Config, type Event, type Job, type Pod, type StoredObject, timestamp } from "./wire.ts";

/** Everything that the stand-in stores. */
export interface ClusterState {
  /** The uid of each namespace, by its name. */
  readonly namespaces: ReadonlyMap<string, string>;
  readonly jobs: Collection<Job>;
  readonly pods: Collection<Pod>;
  readonly events: Collection<Event>;
  readonly secrets: Collection<Config>;
  readonly configMaps: Collection<Config>;
  /** The pods that a Job owns. */
  podsOf(job: Job): Pod[];
  /** Records an event about an object. An event that repeats raises the first one's count. */
  recordEvent(about: StoredObject, type: "Normal" | "Warning", reason: string, message: string): void;
}

/** The most events that are kept. Further events push out the oldest ones. */
const MAX_EVENTS = 5_000;

/**
 * Makes an empty cluster. The uids of its namespaces follow from `uid`, so that a cluster that is started again is the
 * same one.
 */
export function makeClusterState(namespaces: readonly string[], uid = "local"): ClusterState {
  const counter: VersionCounter = { current: 1 };
  const events = new Collection<Event>(counter);
  const oldestFirst: Event[] = [];
  let recorded = 0n;
  const pods = new Collection<Pod>(counter);
  const owned = indexByOwner(pods);
  return {
    namespaces: new Map(namespaces.map((name) => [name, `${uid}-${name}`])),
    jobs: new Collection<Job>(counter),
    pods,
    events,
    secrets: new Collection<Config>(counter),
    configMaps: new Collection<Config>(counter),
    podsOf: (job) => [...(owned.get(job.metadata.uid)?.values() ?? [])],
    recordEvent(about, type, reason, message) {
      const { namespace, name, uid } = about.metadata;
      const now = timestamp();
      const last = oldestFirst.findLast((event) => event.involvedObject.uid === uid);
      const repeated =
        last?.reason === reason && last.message === message ? events.get(namespace, last.metadata.name) : undefined;
      if (repeated !== undefined) {
        events.replace({ ...repeated, count: (repeated.count ?? 1) + 1, lastTimestamp: now });
        return;
      }
      const isJob = about.kind === "Job";
      // Each event is named for its time, as in a real cluster. A list goes by names, so it is in the order in which
      // things happened.
      const nanoseconds = BigInt(Date.now()) * 1_000_000n;
      recorded = nanoseconds > recorded ? nanoseconds : recorded + 1n;
      oldestFirst.push(
        events.insert({
          apiVersion: "v1",
          kind: "Event",
          metadata: {
            name: `${name}.${recorded.toString(16)}`,
            namespace,
            uid: randomUUID(),
            resourceVersion: "",
            creationTimestamp: now,
          },
          involvedObject: {
            kind: isJob ? "Job" : "Pod",
            namespace,
            name,
            uid,
            apiVersion: isJob ? "batch/v1" : "v1",
            resourceVersion: about.metadata.resourceVersion,
          },
          type,
          reason,
          message,
          source: { component: isJob ? "job-controller" : "kubelet" },
          firstTimestamp: now,
          lastTimestamp: now,
          count: 1,
          reportingComponent: isJob ? "job-controller" : "kubelet",
          reportingInstance: "",
        }),
      );
      const oldest = oldestFirst.length > MAX_EVENTS ? oldestFirst.shift() : undefined;
      if (oldest !== undefined) events.remove(events.get(oldest.metadata.namespace, oldest.metadata.name) ?? oldest);
    },
  };
}

/**
 * Indexes the pods by the uids of their owners, and keeps the index up to date, because the controller asks for a Job's
 * pods all the time.
 */
function indexByOwner(pods: Collection<Pod>): ReadonlyMap<string, ReadonlyMap<string, Pod>> {
  const index = new Map<string, Map<string, Pod>>();
  pods.listen(({ type, object, previous }) => {
    const { uid } = object.metadata;
    for (const owner of previous?.metadata.ownerReferences ?? []) {
      const others = index.get(owner.uid);
      others?.delete(uid);
      if (others?.size === 0) index.delete(owner.uid);
    }
    if (type === "DELETED") return;
    for (const owner of object.metadata.ownerReferences ?? []) {
      const others = index.get(owner.uid) ?? new Map<string, Pod>();
      index.set(owner.uid, others.set(uid, object));
    }
  });
  return index;
}
