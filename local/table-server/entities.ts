import { createRequire } from "node:module";
import type sortedBtree from "sorted-btree";
import { type Columns, compareKeys, type Entity, etagOf, type Key, mergeColumns } from "./entity.ts";
import type { Filter } from "./filter.ts";
import { TableError } from "./table-error.ts";

// Node and Vitest disagree about what the default import of this CommonJS package is.
const { default: SortedMap }: typeof sortedBtree = createRequire(import.meta.url)("sorted-btree");

/** One write to one row. Without `ifMatch`, a replace or a merge makes the row if there is none. */
export type Operation =
  | { readonly kind: "insert"; readonly key: Key; readonly columns: Columns }
  | {
      readonly kind: "replace" | "merge";
      readonly key: Key;
      readonly columns: Columns;
      readonly ifMatch: string | undefined;
    }
  | { readonly kind: "delete"; readonly key: Key; readonly ifMatch: string };

interface Query {
  /** Undefined matches all. */
  readonly filter: Filter | undefined;
  /** The key of the first entity, for a page that continues another. */
  readonly from: Key | undefined;
  /** The most entities of the page. */
  readonly top: number;
}

export interface Page {
  readonly entities: readonly Entity[];
  /** The key at which the next page begins; undefined if this page is the last. */
  readonly next: Key | undefined;
}

/** Gives each version a time of its own. */
type Timestamps = () => string;

const STEPS_PER_MS = 10_000;

/**
 * Makes the clock of the versions. It goes in steps of 100 ns, as the service writes times, and never says one time
 * twice. So no ETag ever comes back, also not after a delete and an insert at the same key.
 */
export function makeTimestamps(): Timestamps {
  let ms = 0;
  let step = STEPS_PER_MS;
  let iso = "";
  return () => {
    const now = Date.now();
    step += 1;
    if (now > ms || step >= STEPS_PER_MS) {
      [ms, step] = [Math.max(now, ms + 1), 0];
      iso = new Date(ms).toISOString().replace("Z", "");
    }
    return `${iso}${String(step).padStart(4, "0")}Z`;
  };
}

/** The entities of one table, in the order of their keys. A range costs what it holds, not what the table holds. */
export class Entities {
  // Each entity is its own key, which saves the memory of another.
  readonly #sorted = new SortedMap<Key, Entity>(undefined, compareKeys);
  readonly #timestamps: Timestamps;

  constructor(timestamps: Timestamps) {
    this.#timestamps = timestamps;
  }

  get(key: Key): Entity | undefined {
    return this.#sorted.get(key);
  }

  /** Puts an entity there, whatever there is. */
  put({ partitionKey, rowKey }: Key, columns: Columns): Entity {
    const entity = { partitionKey, rowKey, timestamp: this.#timestamps(), columns };
    this.#sorted.set(entity, entity);
    return entity;
  }

  /** Throws TableError if an operation must not be done as things are. */
  check(operation: Operation): void {
    const entity = this.get(operation.key);
    if (operation.kind === "insert") {
      if (entity !== undefined) throw new TableError("EntityAlreadyExists");
      return;
    }
    const { ifMatch } = operation;
    if (ifMatch === undefined) return;
    if (entity === undefined) throw new TableError("ResourceNotFound");
    if (ifMatch !== "*" && ifMatch !== etagOf(entity)) throw new TableError("UpdateConditionNotSatisfied");
  }

  /** Does an operation that was checked. Gives what it left behind, which is undefined after a delete. */
  write(operation: Operation): Entity | undefined {
    const { kind, key } = operation;
    if (kind === "delete") {
      this.#sorted.delete(key);
      return undefined;
    }
    const { columns } = operation;
    const held = kind === "merge" ? this.get(key) : undefined;
    return this.put(key, held ? mergeColumns(held, columns) : columns);
  }

  query({ filter, from, top }: Query): Page {
    const range = rangeOf(filter);
    const entities: Entity[] = [];
    for (const [, entity] of this.#sorted.entries(from ?? range.start)) {
      if (!range.holds(entity)) break;
      if (filter && !filter.matches(entity)) continue;
      if (entities.length === top) return { entities, next: entity };
      entities.push(entity);
    }
    return { entities, next: undefined };
  }
}

/** Finds the keys outside of which a filter matches nothing. They are all keys if it does not name one partition. */
function rangeOf(filter: Filter | undefined): {
  readonly start: Key | undefined;
  readonly holds: (key: Key) => boolean;
} {
  let partitionKey: string | undefined;
  let first = "";
  let last: string | undefined;
  for (const { column, operator, literal } of filter?.needed ?? []) {
    const value = String(literal.value);
    if (column === "PartitionKey" && operator === "eq") partitionKey = value;
    if (column !== "RowKey") continue;
    if (["eq", "ge", "gt"].includes(operator)) first = value > first ? value : first;
    if (["eq", "le", "lt"].includes(operator)) last = last === undefined || value < last ? value : last;
  }
  if (partitionKey === undefined) return { start: undefined, holds: () => true };
  return {
    start: { partitionKey, rowKey: first },
    holds: (key) => key.partitionKey === partitionKey && (last === undefined || key.rowKey <= last),
  };
}
