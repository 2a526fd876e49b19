import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import type { CoreV1Event, V1Job, V1Pod } from "@kubernetes/client-node";
import type { Clock } from "../../shared/clock.ts";
import { UnavailableError } from "../../shared/errors.ts";
import type {
  ClusterVersion,
  CreateOutcome,
  JobCluster,
  JobCount,
  JobGlance,
  JobList,
  JobListing,
  JobNews,
  PodList,
  PodNews,
  TrialOutcome,
  WatchLimits,
} from "../../shared/ports/job-cluster.ts";
import type { Right } from "../../shared/ports/rights.ts";
import {
  containers,
  nameOf,
  printedStatus,
  readiness,
  refusalOf,
  setCondition,
  stateOf,
  statuses,
} from "./cluster-objects.ts";
import { Mishaps } from "./interference.ts";

type Method = keyof JobCluster;

/** How a container ended, apart from its exit code. */
interface End {
  readonly message?: string;
  readonly reason?: string;
  /** The init container that ended, if it was one. */
  readonly container?: string;
}

/**
 * A `JobCluster` in memory, for tests of the code that uses one. Jobs do nothing by themselves; a test says, by name,
 * what happens to them. Objects are shaped like a real cluster's. They are copies, so changing one changes nothing
 * here.
 */
export class FakeCluster implements JobCluster {
  /** Every Job that a create asked for, whatever the answer was. */
  readonly creates: V1Job[] = [];
  /** Every Job of a trial. */
  readonly trials: V1Job[] = [];
  /** What it says of its version. */
  runsVersion: ClusterVersion | undefined = { major: 1, minor: 36 };
  /** Whether it says that its KEDA wakes an app whose messages it can't count. */
  hasWakingKeda: boolean | undefined = undefined;
  /** How many watches are open. */
  watching = 0;
  /** How many watches did not last until the server ended them. */
  abortedWatches = 0;
  /** How often each method was called. */
  readonly calls = new Map<Method, number>();
  readonly #jobs = new Map<string, V1Job>();
  readonly #pods = new Map<string, V1Pod>();
  readonly #logs = new Map<string, Uint8Array>();
  readonly #events = new Map<string, CoreV1Event[]>();
  readonly #mishaps = new Mishaps<Method>();
  /** The answers to the next creates, which then do nothing. */
  readonly #answersToCreate: CreateOutcome[] = [];
  readonly #missingRights = new Set<string>();
  /** What watches are told, oldest first. Its length is the version of a list. */
  readonly #news: (JobListing | "sign of life")[] = [];
  /** The names of the Jobs whose pods have succeeded, as watches on the pods are told of them. */
  readonly #podNews: string[] = [];
  readonly #heard = new EventEmitter().setMaxListeners(0);
  /** What the server prints of a Job instead of what its conditions say. */
  readonly #said = new Map<string, JobListing>();
  #judgeTrial: (job: V1Job) => TrialOutcome | undefined = () => undefined;
  readonly #clock: Pick<Clock, "now">;
  readonly #instance: string;
  /** The uid of the Jobs' namespace. Undefined stands for a Dispatcher that may not read it. */
  uid: string | undefined;

  /** By default each fake is another cluster. */
  constructor(options: {
    readonly clock: Pick<Clock, "now">;
    readonly instance?: string;
    readonly uid?: string | undefined;
  }) {
    this.#clock = options.clock;
    this.uid = "uid" in options ? options.uid : randomUUID();
    this.#instance = options.instance ?? "dispatcher";
  }

  // ---- the port

  listJobs(): Promise<JobList> {
    return this.#answer("listJobs", () => ({
      jobs: this.#unretired().map((job) => ({ name: nameOf(job), state: stateOf(job) })),
      version: String(this.#news.length),
    }));
  }

  async *watchJobs(since: string, limits: WatchLimits): AsyncGenerator<JobNews> {
    await this.#answer("watchJobs", () => undefined);
    this.watching += 1;
    try {
      for await (const { version, told } of this.#told(this.#news, since, limits))
        yield { version, ...(told === "sign of life" ? {} : { job: told }) };
    } finally {
      this.watching -= 1;
      if (limits.signal.aborted) this.abortedWatches += 1;
    }
  }

  async *watchPods(since: string, limits: WatchLimits): AsyncGenerator<PodNews> {
    await this.#answer("watchPods", () => undefined);
    for await (const { version, told } of this.#told(this.#podNews, since, limits)) yield { version, jobName: told };
  }

  async *#told<T>(news: readonly T[], since: string, { seconds, signal }: WatchLimits) {
    // Node may collect a timeout that only `AbortSignal.any` refers to, so that it would never end.
    const time = new AbortController();
    const timer = setTimeout(() => time.abort(), seconds * 1000);
    const over = AbortSignal.any([signal, time.signal]);
    try {
      for (let version = Number(since); !over.aborted; ) {
        const told = news[version];
        if (told === undefined) {
          await once(this.#heard, "news", { signal: over }).catch((error: unknown) => {
            if (!over.aborted) throw error;
          });
          continue;
        }
        version += 1;
        yield { version: String(version), told };
      }
    } finally {
      clearTimeout(timer);
    }
  }

  glance(name: string): Promise<JobGlance | undefined> {
    return this.#answer("glance", () => {
      const job = this.#find(name);
      return job && structuredClone({ listing: this.newsOf(name), metadata: job.metadata ?? {} });
    });
  }

  listPods(): Promise<PodList> {
    return this.#answer("listPods", () => ({
      version: String(this.#podNews.length),
      pods: [...this.#pods.values()]
        .filter((pod) => this.#isOurs(pod) && !["Succeeded", "Failed"].includes(pod.status?.phase ?? ""))
        .map((pod) => ({
          name: nameOf(pod),
          jobName: nameOf(pod).slice(0, -6),
          status: printedStatus(pod),
          ...readiness(pod),
        })),
    }));
  }

  listCancelled(): Promise<string[]> {
    return this.#answer("listCancelled", () =>
      this.#ours()
        .filter((job) => job.metadata?.labels?.["ion/cancel"] === "true")
        .map(nameOf),
    );
  }

  create(job: V1Job): Promise<CreateOutcome> {
    this.creates.push(structuredClone(job));
    return this.#answer("create", () => {
      const answer = this.#answersToCreate.shift();
      if (answer) return answer;
      const existing = this.#find(nameOf(job));
      const refusal = refusalOf(job);
      if (refusal) return { kind: "refused", message: refusal.message };
      if (existing) return { kind: "exists", job: structuredClone(existing) };
      return { kind: "created", uid: this.#insert(job) };
    });
  }

  tryCreate(job: V1Job): Promise<TrialOutcome> {
    this.trials.push(structuredClone(job));
    return this.#answer(
      "tryCreate",
      () => this.#judgeTrial(job) ?? refusalOf(job) ?? { kind: "accepted", warnings: [], stored: structuredClone(job) },
    );
  }

  version(): Promise<ClusterVersion | undefined> {
    return this.#answer("version", () => this.runsVersion);
  }

  kedaWakes(): Promise<boolean | undefined> {
    return this.#answer("kedaWakes", () => this.hasWakingKeda);
  }

  mayI(right: Right): Promise<boolean> {
    return this.#answer("mayI", () => !this.#missingRights.has(`${right.verb} ${right.resource}`));
  }

  count(createdSince: number, atMost: number): Promise<JobCount> {
    return this.#answer("count", () => {
      const jobs = this.names()
        .map((name) => this.job(name))
        .filter((job) => this.#isOurs(job))
        .slice(0, atMost);
      return {
        finished: jobs.filter((job) => ["complete", "failed"].includes(stateOf(job))).length,
        recent: jobs.filter(({ metadata }) => (metadata?.creationTimestamp?.getTime() ?? 0) >= createdSince).length,
      };
    });
  }

  get(name: string): Promise<V1Job | undefined> {
    return this.#answer("get", () => structuredClone(this.#find(name)));
  }

  pods(jobName: string): Promise<V1Pod[]> {
    return this.#answer("pods", () => {
      const pod = this.#pods.get(jobName);
      return pod ? [structuredClone(pod)] : [];
    });
  }

  events(kind: "Job" | "Pod", name: string): Promise<CoreV1Event[]> {
    return this.#answer("events", () =>
      structuredClone(this.#events.get(name) ?? []).filter(({ involvedObject }) => involvedObject.kind === kind),
    );
  }

  log(podName: string, container: string, maxBytes: number): Promise<Uint8Array | undefined> {
    return this.#answer("log", () => {
      const pod = [...this.#pods.values()].find((one) => nameOf(one) === podName);
      const { initContainerStatuses = [], containerStatuses = [], conditions = [] } = pod?.status ?? {};
      // A real server, too, answers with an empty log if the pod has no node yet.
      if (conditions.some(({ type, status: value }) => type === "PodScheduled" && value === "False"))
        return new Uint8Array();
      const status = [...initContainerStatuses, ...containerStatuses].find(({ name }) => name === container);
      if (!status?.state?.running && !status?.state?.terminated?.startedAt) return undefined;
      const log = this.#logs.get(`${podName}/${container}`) ?? new Uint8Array();
      return log.slice(Math.max(0, log.byteLength - maxBytes));
    });
  }

  end(name: string, uid: string): Promise<void> {
    return this.#answer("end", () => this.#end(name, uid));
  }

  endSuspended({ metadata }: V1Job): Promise<void> {
    return this.#answer("endSuspended", () => {
      const name = metadata?.name ?? "";
      const job = this.#find(name);
      if (!job?.spec || job.metadata?.uid !== metadata?.uid) return;
      Object.assign(job.spec, { parallelism: 0, activeDeadlineSeconds: 1 });
      if (metadata?.labels?.["kueue.x-k8s.io/queue-name"] === undefined) this.resume(name);
    });
  }

  retire(name: string, uid: string, ttlSeconds: number, options: { readonly end: boolean }): Promise<void> {
    return this.#answer("retire", () => {
      const job = this.#find(name);
      if (!job?.spec || job.metadata?.uid !== uid) return;
      job.metadata.labels = { ...job.metadata.labels, "ion/retired": "true" };
      job.spec.ttlSecondsAfterFinished = ttlSeconds;
      if (options.end) this.#end(name, uid);
    });
  }

  namespaceUid(): Promise<string | undefined> {
    return this.#answer("namespaceUid", () => this.uid);
  }

  verify(): Promise<void> {
    return this.#answer("verify", () => undefined);
  }

  // ---- what happens to a Job

  /** Its container starts to run. */
  run(name: string): void {
    const pod = this.#pod(name);
    pod.status = {
      ...pod.status,
      phase: "Running",
      conditions: [{ type: "Ready", status: "True" }],
      ...statuses(pod, { running: { startedAt: this.#now() } }),
    };
  }

  /** The named init container starts to run. Those before it are over. */
  runInit(name: string, container: string): void {
    const pod = this.#pod(name);
    const { initContainerStatuses = [], ...rest } = statuses(pod, { running: { startedAt: this.#now() } }, container);
    const at = initContainerStatuses.findIndex((one) => one.name === container);
    const later = { waiting: { reason: "PodInitializing" } };
    const inits = initContainerStatuses.map((one, index) => (index > at ? { ...one, state: later } : one));
    pod.status = { ...pod.status, phase: "Pending", ...rest, initContainerStatuses: inits };
  }

  /** Its pod has succeeded, and the Job is not said to be complete yet. */
  succeedPod(name: string): void {
    this.#endPod(name, "Succeeded", 0);
    this.#podNews.push(name);
    this.#heard.emit("news");
  }

  succeed(name: string): void {
    if (this.#pods.get(name)?.status?.phase !== "Succeeded") this.succeedPod(name);
    this.#finish(
      name,
      "SuccessCriteriaMet",
      "Complete",
      "CompletionsReached",
      "Reached expected number of succeeded pods",
    );
  }

  /**
   * Its first container, or the named init container, exits with this code. The Job fails by its failure policy or by
   * its back-off limit, as on a real cluster.
   */
  fail(name: string, exitCode = 1, options: End = {}): void {
    this.#endPod(name, "Failed", exitCode, options);
    const pod = this.#pod(name);
    const rules = this.job(name).spec?.podFailurePolicy?.rules ?? [];
    const index = rules.findIndex(
      ({ onExitCodes }) => onExitCodes?.operator === "In" && onExitCodes.values.includes(exitCode),
    );
    if (index !== -1 && rules[index]?.action === "FailJob") {
      const container = `Container ${options.container ?? containers(pod)[0]?.name ?? ""} for pod ${pod.metadata?.namespace ?? ""}/${nameOf(pod)}`;
      const message = `${container} failed with exit code ${exitCode} matching FailJob rule at index ${index}`;
      this.#finish(name, "FailureTarget", "Failed", "PodFailurePolicy", message);
    } else {
      this.#failByBackoff(name);
    }
  }

  /** It runs into its pod's deadline. The pod and its logs stay. */
  timeOut(name: string, options: Pick<End, "message"> = {}): void {
    this.#endPod(name, "Failed", 137, options);
    this.#passDeadline(name);
  }

  /** It runs into its pod's deadline before one of its containers could start. */
  timeOutUnstarted(name: string): void {
    const pod = this.#pod(name);
    const message = "The container could not be located when the pod was terminated";
    const terminated = { exitCode: 137, reason: "ContainerStatusUnknown", message };
    pod.status = { ...pod.status, phase: "Failed", ...statuses(pod, { terminated }) };
    this.#passDeadline(name);
  }

  #failByBackoff(name: string): void {
    const message = "Job has reached the specified backoff limit";
    this.#finish(name, "FailureTarget", "Failed", "BackoffLimitExceeded", message);
  }

  #passDeadline(name: string): void {
    const pod = this.#pod(name);
    const message = "Pod was active on the node longer than the specified deadline";
    pod.status = { ...pod.status, reason: "DeadlineExceeded", message };
    this.#failByBackoff(name);
  }

  /** Its pod can't start. Its containers, or the named init container, wait with this reason. */
  stick(name: string, reason = "ErrImagePull", message = "failed to pull image", container?: string): void {
    const pod = this.#pod(name);
    pod.status = {
      ...pod.status,
      phase: "Pending",
      startTime: this.#now(),
      ...statuses(pod, { waiting: { reason, message } }, container),
    };
  }

  /** The scheduler finds no node for its pod. */
  unschedule(name: string, message: string): void {
    const unscheduled = { type: "PodScheduled", status: "False", reason: "Unschedulable", message };
    this.#pod(name).status = { phase: "Pending", conditions: [unscheduled] };
  }

  /** A scheduling gate holds its pod back. */
  gate(name: string): void {
    const gated = { type: "PodScheduled", status: "False", reason: "SchedulingGated", message: "gated" };
    this.#pod(name).status = { phase: "Pending", conditions: [gated] };
  }

  /** No scheduler looks at its pod. */
  leaveUnscheduled(name: string): void {
    this.#pod(name).status = { phase: "Pending" };
  }

  /** Its pod has a node, which can't make its containers, and an event of the pod says why. */
  stickAtVolume(name: string, message: string): void {
    this.stick(name, "ContainerCreating", "");
    this.#warn("Pod", nameOf(this.#pod(name)), "FailedMount", message);
  }

  /** The kubelet of its node refuses its pod, of which nothing ever runs. */
  refusePod(name: string, reason: string): void {
    const pod = this.#pod(name);
    pod.status = { ...pod.status, phase: "Failed", reason, message: "Pod was rejected" };
    this.#failByBackoff(name);
  }

  /**
   * The cluster takes its pod away, for good. The Job fails by its rule on DisruptionTarget, and only its condition
   * says so.
   */
  evict(name: string): void {
    const pod = this.#pod(name);
    const where = `${pod.metadata?.namespace ?? ""}/${nameOf(pod)}`;
    const message = `Pod ${where} has condition DisruptionTarget matching FailJob rule at index 0`;
    this.#pods.delete(name);
    this.#finish(name, "FailureTarget", "Failed", "PodFailurePolicy", message);
  }

  /** Its node went silent, and the control plane waits for it to end its pod. */
  loseNode(name: string): void {
    const pod = this.#pod(name);
    pod.metadata = { ...pod.metadata, deletionTimestamp: this.#now(), deletionGracePeriodSeconds: 30 };
  }

  /** A person deletes its pod. */
  deletePod(name: string): void {
    this.#pods.delete(name);
    this.#failByBackoff(name);
  }

  /** A person deletes the Job, and its pod with it. */
  deleteJob(name: string): void {
    this.#jobs.delete(name);
    this.#pods.delete(name);
  }

  suspend(name: string): void {
    this.preempt(name);
    this.endPreempted(name);
  }

  /** It is suspended, and its pod takes its time to end. */
  preempt(name: string): void {
    const job = this.job(name);
    if (job.spec) job.spec.suspend = true;
    setCondition(job, "Suspended", "JobSuspended", "Job suspended", this.#now());
    if (job.status) delete job.status.startTime;
  }

  /** The pod of a suspended Job is gone. */
  endPreempted(name: string): void {
    this.#pods.delete(name);
  }

  resume(name: string): void {
    const job = this.job(name);
    if (job.spec) job.spec.suspend = false;
    job.status = { ...job.status, startTime: this.#now(), conditions: [] };
    if (job.spec?.parallelism !== 0) this.#addPod(job);
    // Ends at once, because the fake does not wait for a second to pass.
    if (job.spec?.activeDeadlineSeconds === 1) this.#end(name, job.metadata?.uid ?? "");
  }

  /** It gets only its early condition, because its pod is still terminating; on a dead node that may last for ever. */
  linger(name: string, reason = "DeadlineExceeded"): void {
    setCondition(this.job(name), "FailureTarget", reason, "Job was active longer than specified deadline", this.#now());
  }

  /** It gets no pod, and an event says why. */
  withholdPod(name: string, message: string): void {
    this.#pods.delete(name);
    this.#warn("Job", name, "FailedCreate", message);
  }

  /** It gets no pod, and nothing says why: there is no controller. */
  withholdController(name: string): void {
    this.#pods.delete(name);
  }

  /** It gets the pod that it had none of. */
  givePod(name: string): void {
    if (!this.#pods.has(name)) this.#addPod(this.job(name));
  }

  #warn(kind: "Job" | "Pod", name: string, reason: string, message: string): void {
    const event: CoreV1Event = {
      metadata: { name: `${name}.event`, namespace: "jobs" },
      involvedObject: { kind, name },
      type: "Warning",
      reason,
      message,
      lastTimestamp: this.#now(),
    };
    this.#events.set(name, [...(this.#events.get(name) ?? []), event]);
  }

  label(name: string, labels: Readonly<Record<string, string>>): void {
    const { metadata } = this.job(name);
    if (metadata) metadata.labels = { ...metadata.labels, ...labels };
  }

  /** A person labels it `ion/cancel=true`. */
  cancel(name: string): void {
    this.label(name, { "ion/cancel": "true" });
  }

  /** A foreign Job takes a name. */
  addForeign(name: string): void {
    const template = { spec: { restartPolicy: "Never", containers: [{ name: "main", image: "busybox" }] } };
    this.#insert({ apiVersion: "batch/v1", kind: "Job", metadata: { name }, spec: { template } });
  }

  setLog(name: string, container: string, text: string): void {
    this.#logs.set(`${nameOf(this.#pod(name))}/${container}`, Buffer.from(text));
  }

  // ---- what watches are told

  /** What a watch tells of a Job now. */
  newsOf(name: string): JobListing {
    return this.#said.get(name) ?? { name, state: stateOf(this.job(name)) };
  }

  /** The watches hear that they are connected. */
  giveSignOfLife(): void {
    this.#tell("sign of life");
  }

  /** The watches are told this of a Job, true or not, as if it came late or again. */
  say(listing: JobListing): void {
    this.#tell(listing);
  }

  /** The server prints a word for a Job's status that this version doesn't know. */
  printUnknown(name: string, word: string): void {
    const listing = { name, state: "active", unknownStatus: word } as const;
    this.#said.set(name, listing);
    this.#tell(listing);
  }

  /** Every watch breaks. */
  cutWatches(error: Error = new UnavailableError("the connection broke")): void {
    this.#heard.emit("error", error);
  }

  // ---- what goes wrong

  /** Runs `action` when the method is called next, before the call does anything. */
  beforeNext(method: Method, action: () => unknown): void {
    this.#mishaps.beforeNext(method, action);
  }

  /** The next call throws and does nothing. */
  failNext(method: Method, error: Error = new UnavailableError("the cluster can't be reached")): void {
    this.#mishaps.failNext(method, error);
  }

  /** The next call does its work, and its answer never arrives. */
  loseNextReply(method: Method, error: Error = new UnavailableError("no answer within 15000 ms")): void {
    this.#mishaps.loseNextReply(method, error);
  }

  /** The next create meets a full quota. */
  quotaNext(message = `jobs.batch is forbidden: exceeded quota: jobs`): void {
    this.#answersToCreate.push({ kind: "quota", message });
  }

  /** The next create is refused because of the Job itself. */
  refuseNext(message = `Job.batch is invalid: spec.template: Invalid value`): void {
    this.#answersToCreate.push({ kind: "refused", message });
  }

  /** Judges all later trials. If `judge` returns undefined, the fake's own rule decides. */
  judgeTrials(judge: (job: V1Job) => TrialOutcome | undefined): void {
    this.#judgeTrial = judge;
  }

  /** Takes a right from the Dispatcher's Role. */
  takeRight(right: Pick<Right, "verb" | "resource">): void {
    this.#missingRights.add(`${right.verb} ${right.resource}`);
  }

  // ---- what a test looks at

  /** The Job itself, to look at or to change. Throws if no Job has this name. */
  job(name: string): V1Job {
    const job = this.#find(name);
    if (!job)
      throw new Error(
        `the fake cluster has no Job ${name}, only ${[...this.#jobs.keys()].join(", ") || "none at all"}`,
      );
    return job;
  }

  /** The names of all Jobs that exist, retired ones included. */
  names(): string[] {
    return [...this.#jobs.keys()].filter((name) => this.#find(name) !== undefined);
  }

  // ---- inside

  #tell(news: JobListing | "sign of life"): void {
    this.#news.push(news);
    this.#heard.emit("news");
  }

  #answer<T>(method: Method, act: () => T): Promise<T> {
    this.calls.set(method, (this.calls.get(method) ?? 0) + 1);
    return this.#mishaps.carryOut(method, act);
  }

  #now(): Date {
    return new Date(this.#clock.now());
  }

  /** A Job by name, unless its TTL is over. */
  #find(name: string): V1Job | undefined {
    const job = this.#jobs.get(name);
    const ttlSeconds = job?.spec?.ttlSecondsAfterFinished;
    const end = job?.status?.conditions?.find(({ type }) => type === "Complete" || type === "Failed");
    if (ttlSeconds === undefined || end?.lastTransitionTime === undefined) return job;
    if (end.lastTransitionTime.getTime() + ttlSeconds * 1000 > this.#clock.now()) return job;
    this.deleteJob(name);
    return undefined;
  }

  #insert(given: V1Job): string {
    const uid = randomUUID();
    const job = structuredClone(given);
    // As on the real server, a Job without labels gets those of its pod template.
    const labels = job.metadata?.labels ?? { ...job.spec?.template.metadata?.labels };
    const made = { uid, creationTimestamp: this.#now(), resourceVersion: "1" };
    job.metadata = { namespace: "jobs", ...job.metadata, labels, ...made };
    job.status = { startTime: this.#now(), active: 1, ready: 0 };
    this.#jobs.set(nameOf(job), job);
    if (job.spec?.suspend === true) this.suspend(nameOf(job));
    else this.#addPod(job);
    return uid;
  }

  #addPod(job: V1Job): void {
    const template = structuredClone(job.spec?.template);
    const pod: V1Pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        ...template?.metadata,
        labels: { ...template?.metadata?.labels, "batch.kubernetes.io/job-name": nameOf(job) },
        name: `${nameOf(job)}-${randomUUID().slice(0, 5)}`,
        namespace: job.metadata?.namespace ?? "jobs",
        uid: randomUUID(),
        creationTimestamp: this.#now(),
        ownerReferences: [
          {
            apiVersion: "batch/v1",
            kind: "Job",
            name: nameOf(job),
            uid: job.metadata?.uid ?? "",
            controller: true,
          },
        ],
      },
      spec: { ...template?.spec, containers: template?.spec?.containers ?? [] },
      status: { phase: "Pending", startTime: this.#now() },
    };
    this.#pods.set(nameOf(job), pod);
  }

  #pod(name: string): V1Pod {
    const pod = this.#pods.get(name);
    if (!pod) throw new Error(`the fake cluster has no pod of Job ${name}`);
    return pod;
  }

  #isOurs(object: V1Job | V1Pod): boolean {
    const labels = object.metadata?.labels ?? {};
    return (
      labels["app.kubernetes.io/managed-by"] === "dispatcher" && labels["app.kubernetes.io/instance"] === this.#instance
    );
  }

  #ours(): V1Job[] {
    return this.names()
      .map((name) => this.job(name))
      .filter((job) => this.#isOurs(job));
  }

  #unretired(): V1Job[] {
    return this.#ours().filter((job) => job.metadata?.labels?.["ion/retired"] !== "true");
  }

  #end(name: string, uid: string): void {
    const job = this.#find(name);
    if (!job?.spec || job.metadata?.uid !== uid) return;
    job.spec.activeDeadlineSeconds = 1;
    const state = stateOf(job);
    if (state !== "active" && state !== "terminating") return;
    const hadPod = this.#pods.delete(name);
    this.#finish(name, "FailureTarget", "Failed", "DeadlineExceeded", "Job was active longer than specified deadline");
    // A Job that never had a pod has no failed one either.
    if (!hadPod && job.status) delete job.status.failed;
  }

  #endPod(name: string, phase: "Succeeded" | "Failed", exitCode: number, options: End = {}): void {
    const pod = this.#pod(name);
    const startedAt = pod.status?.containerStatuses?.[0]?.state?.running?.startedAt ?? this.#now();
    const reason = options.reason ?? (exitCode === 0 ? "Completed" : "Error");
    const terminated = {
      exitCode,
      reason,
      // A container runtime that could not start the command reports 1970.
      startedAt: reason === "StartError" ? new Date(0) : startedAt,
      finishedAt: this.#now(),
      ...(options.message === undefined ? {} : { message: options.message }),
    };
    pod.status = { ...pod.status, phase, ...statuses(pod, { terminated }, options.container) };
  }

  #finish(name: string, early: string, terminal: "Complete" | "Failed", reason: string, message: string): void {
    const job = this.job(name);
    setCondition(job, early, reason, message, this.#now());
    setCondition(job, terminal, reason, message, this.#now());
    const { active: _active, ...status } = job.status ?? {};
    job.status = {
      ...status,
      ...(terminal === "Complete" ? { succeeded: 1, completionTime: this.#now() } : { failed: 1 }),
    };
    if (this.#isOurs(job)) this.#tell({ name, state: stateOf(job) });
  }
}
