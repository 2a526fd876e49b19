import type { V1ContainerStatus, V1Job, V1Pod } from "@kubernetes/client-node";
import type { EpochMs } from "../../clock.ts";
import type { LookDependencies } from "../../dependencies.ts";
import { finishedAt, isRetired } from "../../jobs/job-identity.ts";
import { allContainers } from "../../jobs/pod-containers.ts";
import { type MessagePlace, placeOfMessage } from "../../ports/message-broker.ts";
import type { Action } from "../../run/action.ts";
import type { PeekedMessage } from "../../run/message.ts";
import type { ClosedRun, Run, RunKey } from "../../run/run.ts";
import { isStamp } from "../../run/stamp.ts";
import type { TimelineEntry } from "../../run/timeline.ts";
import { actionsOn } from "./actions.ts";
import { isOpen, jobNameAt, type PlaceOfRun, placeOf, shownAttempt } from "./attempts.ts";
import { type Redriven, redrivenField, redrivenOf } from "./redriven.ts";
import { type Sought, sought } from "./sought.ts";

/** A run with all that row, cluster and bus show of it. Times are ms since 1970. */
export interface RunShown {
  readonly run: Run | ClosedRun;
  readonly place: PlaceOfRun;
  /** The attempt that is at work or was last; 0 if none ever began. The Job and its times are this attempt's. */
  readonly attempt: number;
  readonly job: Sought<JobShown>;
  readonly message: Sought<MessageShown>;
  /** When it took each step, as far as that is known. The times of pod and work go with the Job. */
  readonly times: StepTimes;
  /** What happened to it in all attempts, oldest first. Empty if an older release wrote its row. */
  readonly timeline: readonly TimelineEntry[];
  /** As which run its dead letter was redriven last. Undefined if it was not. */
  readonly redriven?: Redriven;
  /** What persons did to it, the newest first. */
  readonly actions: readonly Action[];
}

interface JobShown {
  readonly name: string;
  readonly uid: string;
  readonly phase: "suspended" | "active" | "ending" | "complete" | "failed";
  /** Whether the attempt is over, and the Job only keeps its name taken. */
  readonly isRetired: boolean;
  /** What its terminal condition says. */
  readonly why?: string;
  readonly endedAt?: EpochMs;
  /** Newest last. */
  readonly pods: readonly PodShown[];
}

interface PodShown {
  readonly name: string;
  /** Pending, Running, Succeeded or Failed, and the reason if there is one. */
  readonly phase: string;
  readonly reason?: string;
  readonly node?: string;
  /** When its node took it. */
  readonly startedAt?: EpochMs;
  readonly containers: readonly ContainerShown[];
}

interface ContainerShown {
  readonly name: string;
  readonly state: "waiting" | "running" | "ended";
  readonly reason?: string;
  readonly exitCode?: number;
  readonly startedAt?: EpochMs;
  readonly endedAt?: EpochMs;
}

/** The message as a peek shows it. Body and properties only if they were asked for. */
interface MessageShown {
  readonly state: PeekedMessage["state"];
  readonly deliveryCount?: number;
  /** What this Dispatcher stamped on it, by property. */
  readonly stamps: Readonly<Record<string, unknown>>;
  readonly bodyBytes: number;
  readonly content?: Pick<PeekedMessage, "body" | "properties" | "contentType">;
}

interface StepTimes {
  readonly enqueuedAt: EpochMs;
  readonly acceptedAt: EpochMs;
  readonly jobCreatedAt?: EpochMs;
  readonly podStartedAt?: EpochMs;
  readonly workStartedAt?: EpochMs;
  readonly workEndedAt?: EpochMs;
  readonly jobEndedAt?: EpochMs;
  readonly closedAt?: EpochMs;
}

/**
 * Shows everything of one run; undefined if there is none, and `newer` if a newer release wrote its row. Body and
 * properties are shown only if they are asked for. Costs two to five requests to the table, one peek, and two requests
 * to the cluster. If bus or cluster is away, the rest is shown.
 */
export async function showRun(
  deps: LookDependencies,
  key: RunKey,
  { withContent = false }: { readonly withContent?: boolean } = {},
): Promise<RunShown | "newer" | undefined> {
  const found = await deps.table.find(key);
  if (found.kind === "none") return undefined;
  if (found.kind === "newer") return "newer";
  const { timeline = [], ...run } = found.kind === "open" ? found.stored.run : found.run;
  const attempt = shownAttempt(run);
  const [job, message, redriven, actions] = await Promise.all([
    sought(attempt === 0 ? Promise.resolve(undefined) : lookAtShownJob(deps, jobNameAt(deps, run, attempt))),
    sought(lookAtShownMessage(deps, run, withContent)),
    redrivenOf(deps, [run]),
    actionsOn(deps, run),
  ]);
  const times = timesOf(run, attempt, "found" in job ? job.found : null);
  const place = placeOf(run, deps.clock.now());
  return { run, place, attempt, job, message, times, timeline, actions, ...redrivenField(redriven, run) };
}

async function lookAtShownJob({ cluster }: LookDependencies, name: string): Promise<JobShown | undefined> {
  const [job, pods] = await Promise.all([cluster.get(name), cluster.pods(name)]);
  return job && shownJob(job, pods);
}

function shownJob(job: V1Job, pods: readonly V1Pod[]): JobShown {
  const { name = "", uid = "" } = job.metadata ?? {};
  const ended = (job.status?.conditions ?? []).find(
    ({ type, status }) => status === "True" && (type === "Complete" || type === "Failed"),
  );
  const why = [ended?.reason, ended?.message].filter(Boolean).join(": ");
  const endedAt = finishedAt(job);
  return {
    name,
    uid,
    phase: phaseOfJob(job),
    isRetired: isRetired(job),
    ...(why === "" ? {} : { why }),
    ...(endedAt === undefined ? {} : { endedAt }),
    pods: pods.map(shownPod),
  };
}

function phaseOfJob(job: V1Job): JobShown["phase"] {
  const types = new Set(
    (job.status?.conditions ?? []).filter(({ status }) => status === "True").map(({ type }) => type),
  );
  if (types.has("Complete")) return "complete";
  if (types.has("Failed")) return "failed";
  if (types.has("FailureTarget") || types.has("SuccessCriteriaMet")) return "ending";
  return job.spec?.suspend === true ? "suspended" : "active";
}

function shownPod(pod: V1Pod): PodShown {
  const { phase = "Unknown", reason } = pod.status ?? {};
  const node = pod.spec?.nodeName;
  return {
    name: pod.metadata?.name ?? "",
    phase,
    ...(reason === undefined ? {} : { reason }),
    ...(node === undefined ? {} : { node }),
    ...timeIn("startedAt", pod.status?.startTime),
    containers: allContainers(pod).map(shownContainer),
  };
}

function shownContainer({ name, state }: V1ContainerStatus): ContainerShown {
  const { running, terminated, waiting } = state ?? {};
  if (running) return { name, state: "running", ...timeIn("startedAt", running.startedAt) };
  if (!terminated)
    return { name, state: "waiting", ...(waiting?.reason === undefined ? {} : { reason: waiting.reason }) };
  const { exitCode, reason, startedAt, finishedAt: endedAt } = terminated;
  return {
    name,
    state: "ended",
    exitCode,
    ...(reason === undefined ? {} : { reason }),
    ...timeIn("startedAt", startedAt),
    ...timeIn("endedAt", endedAt),
  };
}

/** Reads a time of an object. The API server writes the zero time for a container that never ran. */
function timeIn<Name extends string>(name: Name, time: Date | undefined): { readonly [name in Name]?: EpochMs } {
  const ms = time ? new Date(time).getTime() : 0;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- A computed name widens to any string.
  return (ms > 0 ? { [name]: ms } : {}) as { readonly [name in Name]?: EpochMs };
}

async function lookAtShownMessage(
  { broker }: LookDependencies,
  run: MessagePlace,
  withContent: boolean,
): Promise<MessageShown | undefined> {
  const { source, sequenceNumber, enqueuedAt } = placeOfMessage(run);
  const message = await broker.peek(source, sequenceNumber);
  // If another message has the number, the entity was recreated.
  if (message?.enqueuedAt !== enqueuedAt) return undefined;
  const { state, body, properties, contentType, deliveryCount } = message;
  const stamps = Object.fromEntries(Object.entries(properties).filter(([name]) => isStamp(name)));
  const content = { body, properties, ...(contentType === undefined ? {} : { contentType }) };
  return {
    state,
    ...(deliveryCount === undefined ? {} : { deliveryCount }),
    stamps,
    bodyBytes: body.byteLength,
    ...(withContent ? { content } : {}),
  };
}

function timesOf(run: Run | ClosedRun, attempt: number, job: JobShown | null): StepTimes {
  const pod = job?.pods.at(-1);
  const containers = pod?.containers ?? [];
  const started = containers.flatMap(({ startedAt }) => startedAt ?? []);
  const ended = containers.flatMap(({ endedAt }) => endedAt ?? []);
  const isOver = containers.length > 0 && containers.every(({ state }) => state === "ended");
  // The row forgets when the Job of an earlier attempt was created.
  const jobCreatedAt = run.attempt === attempt ? run.dispatchedAt : undefined;
  return {
    enqueuedAt: run.enqueuedAt,
    acceptedAt: run.acceptedAt,
    ...(jobCreatedAt === undefined ? {} : { jobCreatedAt }),
    ...(pod?.startedAt === undefined ? {} : { podStartedAt: pod.startedAt }),
    ...(started.length === 0 ? {} : { workStartedAt: Math.min(...started) }),
    ...(isOver && ended.length > 0 ? { workEndedAt: Math.max(...ended) } : {}),
    ...(job?.endedAt === undefined ? {} : { jobEndedAt: job.endedAt }),
    ...(isOpen(run) ? {} : { closedAt: run.closedAt }),
  };
}
