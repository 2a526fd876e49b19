import type { StoredObject } from "./wire.ts";

/** One change, as watches see it. `previous` is the object before it. */
export interface Change<T> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: T;
  readonly previous: T | undefined;
  readonly version: number;
}

/** How many changes a watch may lie behind. A watch that lies further behind is told to list again (410). */
const HISTORY = 2_000;

/** The server's one counter of changes. Resource versions grow over all collections. */
export interface VersionCounter {
  current: number;
}

/**
 * All objects of one resource, by namespace and name, in the order of their names. Every change gets a new
 * resourceVersion and reaches all listeners at once and in order.
 */
export class Collection<T extends StoredObject> {
  readonly #objects = new Map<string, T>();
  readonly #listeners = new Set<(change: Change<T>) => void>();
  readonly #counter: VersionCounter;
  #history: Change<T>[] = [];
  /** The version up to which changes have been forgotten. */
  #forgotten: number;
  #sortedKeys: string[] | undefined = [];

  constructor(counter: VersionCounter) {
    this.#counter = counter;
    this.#forgotten = counter.current;
  }

  get version(): number {
    return this.#counter.current;
  }

  get size(): number {
    return this.#objects.size;
  }

  get(namespace: string, name: string): T | undefined {
    return this.#objects.get(keyOf(namespace, name));
  }

  /** Stores a new object. The caller has checked that its name is free. */
  insert(object: T): T {
    const stored = this.#stamp(object);
    this.#objects.set(keyOf(object.metadata.namespace, object.metadata.name), stored);
    this.#sortedKeys = undefined;
    this.#tell("ADDED", stored, undefined);
    return stored;
  }

  /** Stores the next state of an object. Returns undefined if that object (by uid) is gone. */
  replace(next: T): T | undefined {
    const { namespace, name, uid } = next.metadata;
    const previous = this.get(namespace, name);
    if (previous === undefined || previous.metadata.uid !== uid) return undefined;
    const stored = this.#stamp(next);
    this.#objects.set(keyOf(namespace, name), stored);
    this.#tell("MODIFIED", stored, previous);
    return stored;
  }

  remove(object: T): void {
    const { namespace, name, uid } = object.metadata;
    const previous = this.get(namespace, name);
    if (previous === undefined || previous.metadata.uid !== uid) return;
    this.#objects.delete(keyOf(namespace, name));
    this.#sortedKeys = undefined;
    this.#tell("DELETED", this.#stamp(previous), previous);
  }

  /** Iterates over the objects in order of their keys, beginning after `afterKey`. */
  *inOrder(afterKey = ""): Generator<T> {
    this.#sortedKeys ??= [...this.#objects.keys()].toSorted();
    const keys = this.#sortedKeys;
    for (let index = firstAfter(keys, afterKey); index < keys.length; index += 1) {
      const object = this.#objects.get(keys[index] ?? "");
      if (object !== undefined) yield object;
    }
  }

  /** Calls back for every later change until the returned function is called. */
  listen(listener: (change: Change<T>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The changes after a version; undefined if some of them are forgotten. */
  changesSince(version: number): Change<T>[] | undefined {
    if (version < this.#forgotten) return undefined;
    return this.#history.filter((change) => change.version > version);
  }

  #stamp(object: T): T {
    this.#counter.current += 1;
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#counter.current) } };
  }

  #tell(type: Change<T>["type"], object: T, previous: T | undefined): void {
    const change: Change<T> = { type, object, previous, version: this.#counter.current };
    this.#history.push(change);
    if (this.#history.length > HISTORY * 2) {
      this.#history = this.#history.slice(-HISTORY);
      this.#forgotten = (this.#history[0]?.version ?? 1) - 1;
    }
    for (const listener of this.#listeners) listener(change);
  }
}

/** The key by which a collection orders an object. */
export function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

function firstAfter(keys: readonly string[], after: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] ?? "") > after) high = middle;
    else low = middle + 1;
  }
  return low;
}
