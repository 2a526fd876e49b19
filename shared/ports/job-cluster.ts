import type { CoreV1Event, V1Job, V1Pod } from "@kubernetes/client-node";
import type { EpochMs } from "../clock.ts";
import type { Right } from "./rights.ts";

/** A Job in a light list: no spec, no body. `terminating` = FailureTarget or SuccessCriteriaMet: its pods are not all gone yet. */
export interface JobListing {
  readonly name: string;
  readonly state: "active" | "suspended" | "terminating" | "complete" | "failed";
}

/** A pod in a light list. `status` is what kubectl prints: Running, Pending, ErrImagePull, Init:0/1 ... */
export interface PodListing {
  readonly name: string;
  /** By the pod's name: a Job names its pods `<job>-<five characters>`. */
  readonly jobName: string;
  readonly status: string;
}

export type CreateOutcome =
  | { readonly kind: "created"; readonly uid: string }
  /** A Job of this name exists: ours to adopt, a tombstone, or somebody else's. */
  | { readonly kind: "exists"; readonly job: V1Job }
  /** A quota is full: wait, and free the slot. */
  | { readonly kind: "quota"; readonly message: string }
  /** The template can never work: 400, 422, a denial by webhook or policy. The server's own words. */
  | { readonly kind: "refused"; readonly message: string };

/** What is wrong with one field of a Job, by the path and in the words that the API server has for it. */
export interface FieldFault {
  readonly field: string;
  readonly message: string;
}

/** What a create would come to. A Job whose name is taken counts as accepted: what it asks for was judged before its name. */
export type TrialOutcome =
  /** `warnings`: what the server says all the same, such as fields that it doesn't know and drops, or a pod that its namespace won't admit. */
  | { readonly kind: "accepted"; readonly warnings: readonly string[] }
  | Extract<CreateOutcome, { kind: "quota" }>
  /** `faults` is empty where the server names no field: denials by webhook or policy. */
  | { readonly kind: "refused"; readonly message: string; readonly faults: readonly FieldFault[] }
  /** Something in the cluster that judges Jobs can't be asked without creating one. */
  | { readonly kind: "can't be tried"; readonly message: string };

/** How many Jobs of this instance there are, retired ones too. */
export interface JobCount {
  readonly finished: number;
  /** Created since the time that was asked for, finished or not. */
  readonly recent: number;
}

/**
 * The Jobs of this instance in one namespace. Lists see only Jobs that are ours and not yet retired. Outages, throttling, missing rights
 * and a missing namespace are `UnavailableError`s: never a message's fault.
 */
export interface JobCluster {
  listJobs(): Promise<JobListing[]>;
  /** Pods of our Jobs that have not ended. */
  listPods(): Promise<PodListing[]>;
  /** Names of our Jobs that a person labelled `ion/cancel=true`, retired ones too: their runs may be waiting for the next attempt. */
  listCancelled(): Promise<string[]>;
  /** One request, never repeated by the client: a create that may have worked is asked about, not sent again. */
  create(job: V1Job): Promise<CreateOutcome>;
  /** Asks the server to judge a Job as it would judge its create, without creating it. */
  tryCreate(job: V1Job): Promise<TrialOutcome>;
  /** Whether the cluster lets the Dispatcher do this in its namespace. Needs no right itself. */
  mayI(right: Right): Promise<boolean>;
  /** Counts Jobs, retired ones too, and stops at `atMost` of them: lists of very many cost the server too much. */
  count(createdSince: EpochMs, atMost: number): Promise<JobCount>;
  get(name: string): Promise<V1Job | undefined>;
  /** All pods of a Job, ended ones too. */
  pods(jobName: string): Promise<V1Pod[]>;
  /** Events of a Job, newest last. */
  events(jobName: string): Promise<CoreV1Event[]>;
  /** The last `maxBytes` of a container's log; undefined where there is none (any more). A pod that is on no node yet has an empty one. */
  log(podName: string, container: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** Ends a Job without deleting it: its `activeDeadlineSeconds` becomes 1. Does nothing where it is gone. */
  end(name: string, uid: string): Promise<void>;
  /**
   * Ends a suspended Job, which would never finish by itself, so that it never gets a pod: it wants none any more, and is resumed, unless a
   * queue (Kueue) holds it, which resumes it in its turn. Does nothing where the Job is gone or is another one (uid).
   */
  endSuspended(job: V1Job): Promise<void>;
  /**
   * One patch when the attempt is over: the label `ion/retired=true` and the TTL, in seconds from the Job's finish; and its end, where it has
   * not finished. Does nothing where the Job is gone or is another one (uid).
   */
  retire(name: string, uid: string, ttlSeconds: number, options: { readonly end: boolean }): Promise<void>;
  /** Throws UnavailableError, saying why, where the cluster or its namespace can't be used just now. */
  verify(): Promise<void>;
}
