import type { CoreV1Event, V1Container, V1ContainerStatus, V1Job, V1ObjectMeta, V1Pod } from "@kubernetes/client-node";

/** A type of the client library as it travels, where dates are RFC 3339 text. */
export type Wire<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[]
    ? Wire<Item>[]
    : T extends object
      ? { [Key in keyof T]: Wire<T[Key]> }
      : T;

/** Metadata once the server has filled it in. */
type StoredMeta = Wire<V1ObjectMeta> & {
  name: string;
  namespace: string;
  uid: string;
  resourceVersion: string;
  creationTimestamp: string;
};

/** An object as the store holds it. It is never changed in place; every update stores a new one. */
export interface StoredObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: StoredMeta;
}

export type Job = Omit<Wire<V1Job>, "metadata"> & { metadata: StoredMeta };
export type Pod = Omit<Wire<V1Pod>, "metadata"> & { metadata: StoredMeta };
export type Event = Omit<Wire<CoreV1Event>, "metadata"> & { metadata: StoredMeta };
/** A Secret, whose data is base64, or a ConfigMap, whose data is text. */
export interface Config extends StoredObject {
  readonly data?: Readonly<Record<string, string>>;
  /** The binary data of a ConfigMap, in base64. */
  readonly binaryData?: Readonly<Record<string, string>>;
}
export type Container = Wire<V1Container>;
export type ContainerStatus = Wire<V1ContainerStatus>;
export type JsonObject = Record<string, unknown>;

/**
 * Takes a JSON object as a Job, before the rules have judged it. Fields that the rules don't look at only ever go back
 * to clients, as they came.
 */
export function asJob(value: JsonObject): Job {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The rules look at every field that decides anything.
  return value as unknown as Job;
}

/** Takes a JSON object as a Secret or ConfigMap. The caller has checked that every value in it is text. */
export function asConfig(value: JsonObject): Config {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The rules look at every field that decides anything.
  return value as unknown as Config;
}

/** A time, as Kubernetes writes it: whole seconds, UTC. Without an argument it is now. */
export function timestamp(ms: number = Date.now()): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** Whether a value read from JSON is an object (not null, not a list). */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
