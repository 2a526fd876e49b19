import type { Collection } from "./store.ts";
import type { IncludeObject, Printer } from "./tables.ts";
import type { StoredObject } from "./wire.ts";

/** One resource as the list and watch routes need it. */
export interface Listed<T extends StoredObject> {
  readonly plural: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly collection: Collection<T>;
  readonly printer: Printer<T>;
}

/** A client asked for a table, and with how much of each object in it. */
export interface TableOptions {
  readonly include: IncludeObject;
}
