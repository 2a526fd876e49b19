import type { KubeConfig, V1Job } from "@kubernetes/client-node";
import { UnavailableError } from "../../errors.ts";
import { LABELS, MANAGED_BY } from "../../jobs/job-identity.ts";
import { lastSeen } from "../../jobs/last-seen.ts";
import { isRecord, valueAt } from "../../plain-data.ts";
import type { CreateOutcome, JobCluster, WatchLimits } from "../../ports/job-cluster.ts";
import { isAllowed } from "./access.ts";
import { isDenial, KubernetesFailure, unavailable } from "./answer.ts";
import { loadKubeConfig } from "./config.ts";
import { connect, type KubernetesConnection } from "./connection.ts";
import { judgeCreateFailure } from "./create.ts";
import { isKeda219 } from "./keda.ts";
import { tellsOfAnEnd, toJobListing, toPodListing } from "./listings.ts";
import { readObject } from "./objects.ts";
import { listTable, readRowOf } from "./tables.ts";
import { tryJob } from "./trial.ts";
import { readVersion } from "./version.ts";
import { type TableEvent, type TableWatch, watchTable } from "./watch.ts";

export interface KubernetesJobsOptions {
  /**
   * The path of a kubeconfig, or a loaded one. If undefined: KUBECONFIG, `~/.kube/config`, or the pod's service
   * account.
   */
  readonly kubeconfig?: string | KubeConfig | undefined;
  readonly namespace: string;
  readonly instance: string;
  /** The time-out of each request in ms; 15,000 by default. */
  readonly timeoutMs?: number;
  readonly userAgent?: string;
}

const CLUSTER_TIMEOUT_MS = 15_000;
/**
 * The shortest average line of a log that is read in one request. The API counts lines, and we need bytes; shorter
 * lines take a second request.
 */
const SHORT_LINE_BYTES = 32;
/** Kueue alone suspends and resumes a Job with this label. */
const QUEUE_LABEL = "kueue.x-k8s.io/queue-name";
/**
 * Asks for the metadata alone in answer to a write. Otherwise the whole Job comes back, with the message's body in it.
 */
const METADATA_ALONE = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";

/**
 * Makes the port to the Jobs of one instance in one namespace of a cluster. Throws ConfigError if the kubeconfig names
 * no cluster.
 */
export function makeKubernetesJobs(options: KubernetesJobsOptions): JobCluster {
  const { namespace, instance, timeoutMs = CLUSTER_TIMEOUT_MS, userAgent = "dispatcher" } = options;
  const kubeConfig = typeof options.kubeconfig === "object" ? options.kubeconfig : loadKubeConfig(options.kubeconfig);
  const connection = connect(kubeConfig, { timeoutMs, userAgent });
  const jobsPath = `/apis/batch/v1/namespaces/${encodeURIComponent(namespace)}/jobs`;
  const corePath = `/api/v1/namespaces/${encodeURIComponent(namespace)}`;
  const podsPath = `${corePath}/pods`;
  const jobPath = (name: string) => `${jobsPath}/${encodeURIComponent(name)}`;
  const ours = `${LABELS.managedBy}=${MANAGED_BY},${LABELS.instance}=${instance}`;
  const unretired = `${ours},${LABELS.retired}!=true`;

  const tried = async <T>(doing: string, action: () => Promise<T>): Promise<T> => {
    try {
      return await action();
    } catch (error) {
      throw unavailable(error, doing, { server: connection.server, namespace });
    }
  };
  const get = (name: string): Promise<V1Job | undefined> =>
    tried(`reading Job ${name}`, async () => {
      const answer = await orUndefined([404], connection.json({ method: "GET", path: jobPath(name) }));
      return answer === undefined ? undefined : readObject("Job", answer);
    });
  const patch = (doing: string, name: string, body: object): Promise<void> =>
    tried(doing, async () => {
      try {
        await connection.json({ method: "PATCH", path: jobPath(name), accept: METADATA_ALONE, body });
      } catch (error) {
        if (!isAnotherOrGone(error)) throw error;
      }
    });

  async function* watch(
    what: string,
    path: string,
    request: Omit<TableWatch, "timeoutSeconds">,
    { seconds, signal }: WatchLimits,
  ): AsyncGenerator<TableEvent> {
    try {
      yield* watchTable(connection, path, { ...request, timeoutSeconds: seconds }, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw unavailable(error, `watching ${what}`, { server: connection.server, namespace });
    }
  }

  return {
    listJobs: () =>
      tried("listing Jobs", async () => {
        const { rows: jobs, version } = await listTable(
          connection,
          jobsPath,
          { labelSelector: unretired },
          toJobListing,
        );
        return { jobs, version };
      }),
    async *watchJobs(since, limits) {
      const request = { labelSelector: unretired, resourceVersion: since };
      for await (const { type, version, row } of watch("Jobs", jobsPath, request, limits)) {
        // guard: passes-over-deleted
        // A Job that was retired leaves the list as DELETED, and says for the second time how it ended.
        const job = row && (type === "ADDED" || type === "MODIFIED") ? toJobListing(row) : undefined;
        yield { version, ...(job && tellsOfAnEnd(job) ? { job } : {}) };
      }
    },
    glance: (name) =>
      tried(`glancing at Job ${name}`, async () => {
        const answer = await orUndefined([404], readRowOf(connection, jobPath(name)));
        if (answer === undefined) return undefined;
        const { metadata = {} } = readObject("PartialObjectMetadata", answer.object);
        return { listing: toJobListing(answer.row), metadata };
      }),
    listPods: () =>
      tried("listing pods", async () => {
        const request = { labelSelector: ours, fieldSelector: "status.phase!=Succeeded,status.phase!=Failed" };
        const { rows: pods, version } = await listTable(connection, podsPath, request, toPodListing);
        return { pods, version };
      }),
    async *watchPods(since, limits) {
      // With this selector a pod is told of as ADDED when it succeeds, and what comes before that is not sent at all.
      const request = { labelSelector: ours, fieldSelector: "status.phase=Succeeded", resourceVersion: since };
      for await (const { type, version, row } of watch("pods", podsPath, request, limits))
        yield { version, ...(row && type === "ADDED" ? { jobName: toPodListing(row).jobName } : {}) };
    },
    listCancelled: () =>
      tried("listing cancelled Jobs", async () => {
        const labelSelector = `${ours},${LABELS.cancel}=true`;
        const { rows } = await listTable(connection, jobsPath, { labelSelector }, ({ name = "" }) => name);
        return rows;
      }),
    create: (job) =>
      tried(`creating Job ${job.metadata?.name ?? ""}`, async () => {
        try {
          const request = { method: "POST", path: jobsPath, accept: METADATA_ALONE, body: job } as const;
          const created = await connection.json(request);
          return { kind: "created", uid: uidOf(created, "Job", connection) };
        } catch (error) {
          return await createFailed(error, job);
        }
      }),
    tryCreate: (job) =>
      tried(`trying to create Job ${job.metadata?.name ?? ""}`, () => tryJob(connection, { namespace, jobsPath }, job)),
    version: () =>
      tried("asking for its version", async () =>
        // A cluster may keep its version from those who need not know it.
        readVersion(await orUndefined([401, 403, 404], connection.json({ method: "GET", path: "/version" }))),
      ),
    kedaWakes: () => tried("asking for the description of KEDA's kinds", () => isKeda219(connection)),
    mayI: (right) =>
      tried(`asking for the right to ${right.verb} ${right.resource}`, () => isAllowed(connection, namespace, right)),
    count: (createdSince, atMost) =>
      tried("counting Jobs", async () => {
        const request = { labelSelector: ours, includeObject: "Metadata", atMost } as const;
        const { rows } = await listTable(connection, jobsPath, request, (row) => row);
        return {
          finished: rows.filter((row) => ["complete", "failed"].includes(toJobListing(row).state)).length,
          recent: rows.filter((row) => Date.parse(row["creationTimestamp"] ?? "") >= createdSince).length,
        };
      }),
    get,
    pods: (jobName) =>
      tried(`reading the pods of Job ${jobName}`, async () => {
        const query = new URLSearchParams({ labelSelector: `batch.kubernetes.io/job-name=${jobName}` });
        const answer = await connection.json({ method: "GET", path: `${podsPath}?${query.toString()}` });
        return readObject("PodList", answer).items;
      }),
    events: (kind, name) =>
      tried(`reading the events of ${kind} ${name}`, async () => {
        const fieldSelector = `involvedObject.kind=${kind},involvedObject.name=${name}`;
        const query = new URLSearchParams({ fieldSelector, limit: "500" });
        const answer = await connection.json({ method: "GET", path: `${corePath}/events?${query.toString()}` });
        return readObject("EventList", answer).items.toSorted((a, b) => (lastSeen(a) ?? 0) - (lastSeen(b) ?? 0));
      }),
    log: (podName, container, maxBytes) =>
      tried(`reading the log of ${container} in pod ${podName}`, async () => {
        const path = `${podsPath}/${encodeURIComponent(podName)}/log?container=${encodeURIComponent(container)}`;
        // The server answers 400 if the container never started.
        const log = await orUndefined([400, 404], readLogEnd(connection, path, maxBytes));
        return log && isExcuse(log) ? undefined : log;
      }),
    end: (name, uid) => patch(`ending Job ${name}`, name, { metadata: { uid }, spec: { activeDeadlineSeconds: 1 } }),
    endSuspended: ({ metadata }) => {
      const { name = "", uid, labels } = metadata ?? {};
      const resume = labels?.[QUEUE_LABEL] === undefined ? { suspend: false } : {};
      const spec = { parallelism: 0, activeDeadlineSeconds: 1, ...resume };
      return patch(`ending suspended Job ${name}`, name, { metadata: { uid }, spec });
    },
    retire: (name, uid, ttlSeconds, { end }) =>
      patch(`retiring Job ${name}`, name, {
        metadata: {
          // guard: uid
          uid,
          labels: { [LABELS.retired]: "true" },
        },
        spec: {
          // guard: tombstone
          ttlSecondsAfterFinished: ttlSeconds,
          ...(end ? { activeDeadlineSeconds: 1 } : {}),
        },
      }),
    namespaceUid: () =>
      tried("reading which cluster it is", async () => {
        const answer = await orUndefined([403], connection.json({ method: "GET", path: corePath }));
        return answer === undefined ? undefined : uidOf(answer, "Namespace", connection);
      }),
    verify: () =>
      tried("looking whether it can be used", async () => {
        await connection.json({ method: "GET", path: `${jobsPath}?limit=1` });
        // Listing a namespace that doesn't exist gives an empty list, so the namespace is read too. The Role need not
        // allow that.
        await orUndefined([403], connection.json({ method: "GET", path: corePath }));
      }),
  };

  async function createFailed(error: unknown, job: V1Job): Promise<CreateOutcome> {
    const name = job.metadata?.name ?? "";
    const outcome = await judgeCreateFailure(error, connection, namespace);
    if (outcome !== "exists") return outcome;
    const existing = await get(name);
    if (existing) return { kind: "exists", job: existing };
    throw new UnavailableError(
      `A Job named ${name} existed when it was to be created, and was gone at the next look. The next tick tries again.`,
      { cause: error },
    );
  }
}

async function readLogEnd(connection: KubernetesConnection, path: string, maxBytes: number): Promise<Uint8Array> {
  const lines = Math.ceil(maxBytes / SHORT_LINE_BYTES);
  const end = await connection.tail(`${path}&tailLines=${lines}`, maxBytes);
  const isCut = end.byteLength < maxBytes && end.reduce((count, byte) => count + (byte === 0x0a ? 1 : 0), 0) >= lines;
  // A line has at least one byte, so that `maxBytes` lines are always enough.
  return isCut ? connection.tail(`${path}&tailLines=${maxBytes}`, maxBytes) : end;
}

/**
 * The kubelet answers 200 with this text when the log is gone. Storing it would overwrite the real log that was saved
 * earlier.
 */
const EXCUSE =
  /^(unable to retrieve container logs for [\w-]+:\/\/\w+|failed to try resolving symlinks in path "[^\n]+)$/;
const LONGEST_EXCUSE_BYTES = 2_000;

/** Whether a log is only the kubelet's text that the log is gone. */
function isExcuse(log: Uint8Array): boolean {
  return log.byteLength <= LONGEST_EXCUSE_BYTES && EXCUSE.test(Buffer.from(log).toString());
}

async function orUndefined<T>(codes: readonly number[], promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    // Only the API server's own answer counts: a proxy's 404 does not mean that the object is missing.
    if (error instanceof KubernetesFailure && error.reason !== undefined && codes.includes(error.code))
      return undefined;
    throw error;
  }
}

/**
 * Whether a patch failed on its uid, which is a precondition: another Job has the name now, or no Job has. A webhook may
 * deny a patch with the same codes, and then the Job is there.
 */
function isAnotherOrGone(error: unknown): boolean {
  if (!(error instanceof KubernetesFailure) || error.reason === undefined || isDenial(error)) return false;
  return (
    error.code === 404 ||
    error.code === 409 ||
    (error.code === 422 && error.faults.some(({ field }) => field === "metadata.uid"))
  );
}

function uidOf(answer: unknown, kind: "Job" | "Namespace", connection: KubernetesConnection): string {
  const uid = isRecord(answer) ? valueAt(answer, ["metadata", "uid"]) : undefined;
  if (typeof uid === "string" && uid !== "") return uid;
  throw new UnavailableError(
    `The Kubernetes API server ${connection.server} answered with something other than a ${kind}.`,
  );
}
