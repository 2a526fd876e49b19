import type { Collection } from "../store/store.ts";
import type { StoredObject } from "../store/wire.ts";
import type { IncludeObject, Printer } from "./tables.ts";

/** One resource, as the list and watch routes need it. */
export interface Listed<T extends StoredObject> {
  readonly plural: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly collection: Collection<T>;
  readonly printer: Printer<T>;
}

/** Set if the client asked for a table. Says how much of each object the table holds. */
export interface TableOptions {
  readonly include: IncludeObject;
}
