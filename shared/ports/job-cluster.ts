import type { CoreV1Event, V1Job, V1ObjectMeta, V1Pod } from "@kubernetes/client-node";
import type { EpochMs } from "../clock.ts";
import type { Right } from "./rights.ts";

/**
 * A Job in a light list, without spec and body. `terminating` means FailureTarget or SuccessCriteriaMet: its pods are
 * not all gone yet. Before Kubernetes 1.34 a Job with SuccessCriteriaMet is listed as `active`.
 */
export interface JobListing {
  readonly name: string;
  readonly state: "active" | "suspended" | "terminating" | "complete" | "failed";
  /** What the server printed, if this version doesn't know the word. `state` is `active` then, and only a look tells. */
  readonly unknownStatus?: string;
}

/** The light list of Jobs. `version` is that of the list: a watch from there tells what came after. */
export interface JobList {
  readonly jobs: JobListing[];
  readonly version: string;
}

/** What a watch tells. `version`: another watch may go on from there. */
export interface JobNews {
  readonly version: string;
  /** A Job that is over, or whose status is an unknown word. Undefined: the server only gave a sign of life. */
  readonly job?: JobListing;
}

/** What a watch on the pods tells. `version`: another watch may go on from there. */
export interface PodNews {
  readonly version: string;
  /** The Job of a pod that has succeeded. Undefined: the server only gave a sign of life. */
  readonly jobName?: string;
}

/** For how long a watch goes on, in seconds, and what ends it sooner. */
export interface WatchLimits {
  readonly seconds: number;
  readonly signal: AbortSignal;
}

/** A Job as the light list shows it, with its own metadata, which name its run. Some 2 KB, whatever its body. */
export interface JobGlance {
  readonly listing: JobListing;
  readonly metadata: V1ObjectMeta;
}

/** A pod in a light list. `status` is what kubectl prints: Running, Pending, ErrImagePull, Init:0/1 ... */
export interface PodListing {
  readonly name: string;
  /** Taken from the pod's name, because a Job names its pods `<job>-<five characters>`. */
  readonly jobName: string;
  readonly status: string;
  /** How many of its `containers` are ready. Both are 0 if the server doesn't say. */
  readonly ready: number;
  /** How many containers it has. A sidecar counts, and an init container that has to end doesn't. */
  readonly containers: number;
}

/** The light list of pods. `version` is that of the list: a watch from there tells what came after. */
export interface PodList {
  readonly pods: PodListing[];
  readonly version: string;
}

export type CreateOutcome =
  | { readonly kind: "created"; readonly uid: string }
  /** A Job of this name exists: ours to adopt, a retired one, or a foreign one. */
  | { readonly kind: "exists"; readonly job: V1Job }
  /** A quota is full, so that the run waits and frees its slot. */
  | { readonly kind: "quota"; readonly message: string }
  /** The template can never work: 400, 422, or a denial by webhook or policy. The message is the server's own. */
  | { readonly kind: "refused"; readonly message: string };

/** What is wrong with one field of a Job, by the API server's path and in its words. */
export interface FieldFault {
  readonly field: string;
  readonly message: string;
}

/**
 * What a create would lead to. A Job whose name is taken counts as accepted, because the server judges its content
 * before its name.
 */
export type TrialOutcome =
  /**
   * The server would accept the Job. It may warn of fields that it doesn't know and drops, or of a pod that the
   * namespace won't admit. `stored` is the Job that it would store, with its defaults and with what policies changed;
   * undefined if the name was taken.
   */
  | { readonly kind: "accepted"; readonly warnings: readonly string[]; readonly stored?: V1Job }
  | Extract<CreateOutcome, { kind: "quota" }>
  /** The server would refuse the Job. `faults` is empty if it names no field, as for denials by webhook or policy. */
  | { readonly kind: "refused"; readonly message: string; readonly faults: readonly FieldFault[] }
  /** Something in the cluster that judges Jobs can't be asked without creating one. */
  | { readonly kind: "can't be tried"; readonly message: string };

/** A version of Kubernetes, such as 1.36. */
export interface ClusterVersion {
  readonly major: number;
  readonly minor: number;
}

/** The number of Jobs of this instance, retired ones too. */
export interface JobCount {
  readonly finished: number;
  /** How many were created since the given time, finished or not. */
  readonly recent: number;
}

/**
 * The Jobs of this instance in one namespace. Lists hold only Jobs that are ours and not yet retired. Throws
 * `UnavailableError` for outages, throttling, missing rights and a missing namespace, which are never a message's
 * fault.
 */
export interface JobCluster {
  /** Lists our Jobs that are not yet retired. */
  listJobs(): Promise<JobList>;
  /**
   * Tells of our unretired Jobs that come to an end after the version `since`, which a list or an earlier watch gave.
   * All else is passed over: Jobs at work, and those that leave the list. The watch ends by itself after `seconds`, or
   * at once if `signal` aborts it. Throws UnavailableError if it breaks, stays silent, or the server has forgotten the
   * version. Then only a list tells what was missed.
   */
  watchJobs(since: string, limits: WatchLimits): AsyncIterable<JobNews>;
  /** Reads a Job as the light list shows it; undefined if there is none. */
  glance(name: string): Promise<JobGlance | undefined>;
  /** Lists the pods of our Jobs that have not ended. */
  listPods(): Promise<PodList>;
  /**
   * Tells of our Jobs' pods that succeed after the version `since`, up to two seconds before their Jobs are said to be
   * complete. It ends as `watchJobs` does, and throws as that does.
   */
  watchPods(since: string, limits: WatchLimits): AsyncIterable<PodNews>;
  /**
   * Lists the names of our Jobs that a person labelled `ion/cancel=true`. Includes retired ones, whose runs may wait
   * for the next attempt.
   */
  listCancelled(): Promise<string[]>;
  /** Creates a Job by one request, which is never repeated. After a lost answer the caller asks for the Job instead. */
  create(job: V1Job): Promise<CreateOutcome>;
  /** Asks the server to judge a Job as it would judge its create, without creating it. */
  tryCreate(job: V1Job): Promise<TrialOutcome>;
  /** Asks for the server's version, which needs no right. Undefined if the server doesn't say it in a known way. */
  version(): Promise<ClusterVersion | undefined>;
  /**
   * Asks whether the cluster's KEDA is 2.19 or later, and so wakes an app whose messages it can't count. It needs no
   * right. Undefined if the cluster has no KEDA, or doesn't say.
   */
  kedaWakes(): Promise<boolean | undefined>;
  /** Asks whether the Dispatcher may do this in its namespace, which needs no right itself. */
  mayI(right: Right): Promise<boolean>;
  /** Counts Jobs, retired ones too. Stops at `atMost`, because listing very many costs the server too much. */
  count(createdSince: EpochMs, atMost: number): Promise<JobCount>;
  /** Reads a Job; undefined if there is none. */
  get(name: string): Promise<V1Job | undefined>;
  /** Lists all pods of a Job, ended ones too. */
  pods(jobName: string): Promise<V1Pod[]>;
  /** Lists the events of a Job or a pod, newest last. The server keeps them for an hour. */
  events(kind: "Job" | "Pod", name: string): Promise<CoreV1Event[]>;
  /**
   * Reads the last `maxBytes` of a container's log; undefined if there is none, or none any more. It is empty if the
   * pod has no node yet.
   */
  log(podName: string, container: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** Ends a Job without deleting it, by setting its `activeDeadlineSeconds` to 1. Does nothing if it is gone. */
  end(name: string, uid: string): Promise<void>;
  /**
   * Ends a suspended Job, which would never finish by itself, and gives it no pod. It sets `parallelism` to 0 and
   * resumes the Job, unless a queue (Kueue) holds it and resumes it itself. Does nothing if the Job is gone or is
   * another one (uid).
   */
  endSuspended(job: V1Job): Promise<void>;
  /**
   * Retires a Job when its attempt is over. One patch sets the label `ion/retired=true` and the TTL, in seconds from
   * the Job's finish, and with `end` also ends the Job. Does nothing if the Job is gone or is another one (uid).
   */
  retire(name: string, uid: string, ttlSeconds: number, options: { readonly end: boolean }): Promise<void>;
  /**
   * Reads the uid of the Jobs' namespace, which says which cluster this is; undefined without the right to read it.
   * Throws UnavailableError if there is no such namespace.
   */
  namespaceUid(): Promise<string | undefined>;
  /** Throws UnavailableError, which says why, if the cluster or its namespace can't be used just now. */
  verify(): Promise<void>;
}
