import type { V1Job } from "@kubernetes/client-node";
import { type EpochMs, isFresh } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import { ConflictError, UnavailableError } from "../errors.ts";
import { isOurs, isRetired, recordOf } from "../jobs/job-identity.ts";
import { buildJob, goesToStore } from "../jobs/job-spec.ts";
import { BODY_URL_GRACE_MS, runningLimitMs } from "../jobs/run-limits.ts";
import { UNREADABLE_BODY } from "../modules/check-body.ts";
import type { Module } from "../modules/module.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { bodyStored, dispatched, starting } from "../run/change-run.ts";
import type { PeekedMessage } from "../run/message.ts";
import { START_TIME_MS } from "../run/new-run.ts";
import type { AttemptEnd, Run } from "../run/run.ts";
import { withoutLetterStamps, withoutStamps } from "../run/stamp.ts";
import type { StartHold } from "./hold-on-start.ts";

/**
 * A row that was read longer ago than this no longer tells that its attempt may start: the process may have slept, and
 * another replica gone on.
 */
const MAX_ROW_AGE_MS = 60_000;

/** How often a Job is recorded while other replicas change the row. Then a tick adopts it. */
const MAX_RECORDS = 3;

export type StartOutcome =
  | { readonly kind: "dispatched"; readonly stored: StoredRun }
  /** The row has changed. The replica that reads it next goes on. */
  | { readonly kind: "moved on" }
  /** Nothing of the module starts just now. The row is as it was. */
  | { readonly kind: "held"; readonly cause: StartHold }
  | { readonly kind: "quota"; readonly stored: StoredRun; readonly why: string }
  /**
   * The cluster could not be asked, or its answer was lost, so that the Job may exist. What is away for one start is away
   * for the next.
   */
  | { readonly kind: "cluster away"; readonly error: UnavailableError }
  /** The API server will never take this Job, or its name is taken: the attempt ended without a Job. */
  | { readonly kind: "not started"; readonly stored: StoredRun; readonly end: AttemptEnd };

/**
 * Starts the Job of a run's attempt and records it. The message is deferred by now, so that nothing that happens in
 * between loses it, and the Job's name is the attempt's own, so that nothing starts it twice. The run of every Job that
 * may exist unrecorded is `accepted`. `holdOn` says why nothing may start just now. The outcome has the row as it is
 * then. Rejects with an UnavailableError if the table or the store is away, or as `holdOn` does.
 */
export async function startAttempt(
  deps: Dependencies,
  read: StoredRun,
  module: Module,
  stamped: PeekedMessage,
  holdOn: () => Promise<StartHold | undefined>,
): Promise<StartOutcome> {
  const { run } = read;
  if (stamped.bodyUnreadable) return { kind: "not started", stored: read, end: UNREADABLE };
  const message = run.redrive === undefined ? withoutStamps(stamped) : withoutLetterStamps(stamped);
  const bodyUrl = await storeBody(deps, run, message, module);
  const job = buildJob({
    instance: deps.instance,
    namespace: deps.namespace,
    module,
    run,
    message,
    ...(bodyUrl === undefined ? {} : { bodyUrl }),
  });
  // It is asked again, because the body may have taken minutes to store.
  const hold = await holdOn();
  if (hold !== undefined) return { kind: "held", cause: hold };
  // guard: mark-before-create
  const marked = await markStart(deps, read);
  if (!marked) return { kind: "moved on" };
  const stored = bodyUrl === undefined ? marked : { ...marked, run: bodyStored(marked.run) };
  // guard: fresh-row
  // This is asked last, because what came before may have taken its time.
  if (!isFresh(stored.read, deps.clock, MAX_ROW_AGE_MS)) return { kind: "moved on" };

  // guard: job-before-record
  const created = await deps.cluster.create(job).catch(away);
  switch (created.kind) {
    case "cluster away":
      return created;
    case "created":
      return record(deps, stored, { name: job.metadata?.name ?? "", uid: created.uid }, job);
    case "exists":
      return meetExisting(deps, stored, created.job);
    case "quota":
      return { kind: "quota", stored, why: created.message };
    case "refused":
      return {
        kind: "not started",
        stored,
        end: {
          reason: "JobNotStarted",
          kind: "failure",
          permanent: true,
          detail: created.message,
          startFault: "refused",
        },
      };
    default:
      return created satisfies never;
  }
}

/**
 * Says in the row of a waiting run that its Job is about to be created. Resolves to undefined if the row has changed
 * since it was read. The row of an accepted run says so already, and is only read again if it is old.
 */
async function markStart(deps: Dependencies, read: StoredRun): Promise<StoredRun | undefined> {
  if (read.run.status === "accepted") return readAgainIfOld(deps, read);
  try {
    return await deps.table.update(read, starting(read.run, deps.clock.now() + START_TIME_MS));
  } catch (error) {
    if (error instanceof ConflictError) return undefined;
    throw error;
  }
}

/**
 * Reads a row again that was read too long ago, because the rows of a long queue or a large body may take over a minute
 * each time. Resolves to the old one if the row has changed since.
 */
async function readAgainIfOld(deps: Dependencies, read: StoredRun): Promise<StoredRun> {
  if (isFresh(read.read, deps.clock, MAX_ROW_AGE_MS)) return read;
  const now = await deps.table.find(read.run);
  return now.kind === "open" && now.stored.etag === read.etag ? now.stored : read;
}

/**
 * A message whose body can't be decoded is rejected when it is delivered, but another instance may have deferred it.
 * Better no Job than one that works on nothing.
 */
const UNREADABLE: AttemptEnd = {
  reason: "JobNotStarted",
  kind: "failure",
  permanent: true,
  detail: UNREADABLE_BODY,
};

function away(error: unknown): StartOutcome & { kind: "cluster away" } {
  if (error instanceof UnavailableError) return { kind: "cluster away", error };
  throw error;
}

/** Stores the body of a message that is not for its Job to carry. Resolves to its URL, or else to undefined. */
async function storeBody(deps: Dependencies, run: Run, message: PeekedMessage, module: Module) {
  if (!goesToStore(message, deps.bodyAccess)) return undefined;
  await deps.payloads.putBody(run, message.body);
  if (deps.bodyAccess === "identity") return deps.payloads.bodyUrl(run);
  return deps.payloads.signedBodyUrl(run, module.maxRunningTimeMs + BODY_URL_GRACE_MS);
}

/**
 * AlreadyExists has three causes: our own earlier create, whose reply or row was lost; the tombstone of an attempt that
 * is over; or a Job that is not the Dispatcher's.
 */
async function meetExisting(deps: Dependencies, stored: StoredRun, job: V1Job): Promise<StartOutcome> {
  const { run } = stored;
  const name = job.metadata?.name ?? "";
  // guard: adopt-ours
  const ours = isOurs(job, deps.instance, run, run.attempt);
  if (ours && !isRetired(job)) return record(deps, stored, recordOf(job), job);

  const now = await deps.table.find(run);
  if (now.kind !== "open" || now.stored.etag !== stored.etag) return { kind: "moved on" };
  const detail = ours
    ? `Job ${name} exists and is marked as settled, though this attempt never was`
    : `a Job named ${name} exists and is not this Dispatcher's`;
  const end: AttemptEnd = { reason: "JobNotStarted", kind: "interruption", permanent: false, detail };
  return { kind: "not started", stored, end };
}

/**
 * Records in the row that the Job exists. If another replica changed the row meanwhile, and the run still waits for this
 * attempt, the fresh row is told instead, because no tick reads the rows that wait. If the run moved on while the create
 * was under way, this Job is one too many, and is ended.
 */
async function record(
  deps: Dependencies,
  read: StoredRun,
  made: { readonly name: string; readonly uid: string; readonly createdAt?: EpochMs },
  { spec }: V1Job,
): Promise<StartOutcome> {
  const limitMs = runningLimitMs(spec?.template.spec);
  let stored = read;
  for (let attempt = 1; attempt <= MAX_RECORDS; attempt += 1) {
    const { run } = stored;
    try {
      const next = await deps.table.update(stored, dispatched(run, made, deps.clock.now(), limitMs));
      return { kind: "dispatched", stored: next };
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      const found = await deps.table.find(run);
      if (found.kind === "newer") break;
      const now = found.kind === "open" ? found.stored.run : undefined;
      // guard: adopted-elsewhere
      if (found.kind === "open" && now?.attempt === run.attempt && now.status !== "settling") {
        // Another replica recorded or adopted the same Job.
        if (now.status === "dispatched") return { kind: "dispatched", stored: found.stored };
        // guard: record-on-fresh-row
        stored = found.stored;
        continue;
      }
      // guard: end-what-came-too-late
      await deps.cluster.end(made.name, made.uid);
      return { kind: "moved on" };
    }
  }
  return { kind: "moved on" };
}
