import pLimit from "p-limit";
import type { Dependencies } from "../../dependencies.ts";
import { EntityMissingError } from "../../errors.ts";
import { route } from "../../modules/route.ts";
import { browsePages } from "../../observe/browse-pages.ts";
import { lookAtMessage } from "../../observe/look-at-message.ts";
import type { PeekedMessage } from "../../run/message.ts";
import { type OpenStatus, type RunKey, runId } from "../../run/run.ts";
import { type Source, sourceName } from "../../run/source.ts";
import { areMessagesMissing } from "../../run/source-hold.ts";
import { ownerOf, wasHeld } from "../../run/stamp.ts";
import { findRun } from "./find-run.ts";
import type { AuditFinding } from "./finding.ts";
import { inFlightMs } from "./in-flight.ts";
import { lettersOnBus } from "./letters-on-bus.ts";
import type { OpenRow, SourceRows } from "./open-rows.ts";
import { removedModules } from "./source-findings.ts";

/** Rows and messages that are looked at again at once. */
const CONCURRENCY = 16;

/** The statuses of a run whose message is deferred once it is no longer in flight. */
const DEFERRED: readonly OpenStatus[] = ["held", "waiting", "dispatched", "requeueing"];

/**
 * Compares the messages of a source with the open runs. Peeks through the whole source. What disagrees is looked at
 * again, the message before the row, so that a run that was settled meanwhile is not named. An entity that is missing
 * has no messages: the next tick holds its source.
 */
export async function messageFindings(
  deps: Dependencies,
  rows: SourceRows,
  tell: (more: number) => void,
): Promise<AuditFinding[]> {
  try {
    return await comparedWith(deps, rows, tell);
  } catch (error) {
    if (error instanceof EntityMissingError) return [];
    throw error;
  }
}

async function comparedWith(
  deps: Dependencies,
  rows: SourceRows,
  tell: (more: number) => void,
): Promise<AuditFinding[]> {
  const { source } = rows;
  const inSource = [...rows.open].filter(([, { key }]) => key.redrive === undefined);
  const open = new Map(inSource);
  const owner = await deps.instanceTable.owner();
  const limit = pLimit(CONCURRENCY);
  const unseen = new Map(open);
  const found: AuditFinding[] = [];
  for await (const page of browsePages(deps, source)) {
    const looked = await limit.map(page, async (message) => {
      const { sequenceNumber, enqueuedAt } = message;
      const id = runId({ source, sequenceNumber, enqueuedAt });
      const row = open.get(id);
      unseen.delete(id);
      if (message.state === "deferred") return row ? undefined : withoutOpenRun(deps, source, message, owner);
      return row && message.state === "active" ? undeferred(deps, row) : undefined;
    });
    found.push(...looked.flatMap((finding) => finding ?? []));
    tell(page.length);
  }
  const gone = await limit.map([...unseen.values()], (row) => missing(deps, row));
  const runs = gone.flatMap((finding) => finding ?? []);
  // The messages of redriven runs lie in the dead letter queue, each by its number.
  const redriven = [...rows.open.values()].filter((row) => row.key.redrive !== undefined && isSettled(deps, row));
  const onBus = await lettersOnBus(deps, source, redriven);
  const unfound = redriven.filter((row) => !onBus.has(row));
  for (const finding of await limit.map(unfound, (row) => missing(deps, row))) if (finding) found.push(finding);
  if (!areMessagesMissing(open.size, runs.length)) return [...found, ...runs];
  const removed = removedModules(deps, rows);
  found.push({
    kind: "messages missing",
    source: sourceName(source),
    missing: runs.length,
    looked: open.size,
    removed,
  });
  return found;
}

/**
 * Says what is wrong with a deferred message that no open run is known to speak of. Its row is asked for after the
 * peek.
 */
async function withoutOpenRun(
  deps: Dependencies,
  source: Source,
  message: PeekedMessage,
  instance: string,
): Promise<AuditFinding | undefined> {
  const key: RunKey = { source, sequenceNumber: message.sequenceNumber, enqueuedAt: message.enqueuedAt };
  const found = await findRun(deps, key);
  if (found === undefined || found.kind === "open" || found.kind === "newer") return undefined;
  const owner = ownerOf(message);
  if (found.kind === "none") {
    const module = route(deps.modules.values(), source, message)?.name;
    // The sweep takes on what is this instance's own.
    const isOurs = owner === instance && (module !== undefined || wasHeld(message));
    const { messageId = "" } = message;
    return { kind: isOurs ? "message without a row" : "orphan message", key, messageId, owner, module };
  }
  // What another instance has deferred anew is the other one's.
  if (owner !== instance || (await lookAtMessage(deps, key)).message !== "deferred") return undefined;
  if (deps.clock.now() - found.run.closedAt < inFlightMs(deps)) return undefined;
  return { kind: "message of a closed run", runId: runId(key), key, status: found.run.status };
}

/** A message that is active though its run is long past its deferral. */
async function undeferred(deps: Dependencies, { key, ...row }: OpenRow): Promise<AuditFinding | undefined> {
  if (!isSettled(deps, row) || (await lookAtMessage(deps, key)).message !== "active") return undefined;
  const status = await statusOf(deps, key);
  return status && DEFERRED.includes(status) ? { kind: "undeferred message", runId: runId(key), status } : undefined;
}

/** A message that is not on the bus, though its run has no verdict yet. */
async function missing(deps: Dependencies, { key, ...row }: OpenRow): Promise<AuditFinding | undefined> {
  if (!isSettled(deps, row) || (await lookAtMessage(deps, key)).message !== "absent") return undefined;
  const status = await statusOf(deps, key);
  return status && status !== "settling" ? { kind: "missing message", runId: runId(key), status } : undefined;
}

/** Whether nobody is at work on the first steps of a run any more. */
function isSettled(deps: Dependencies, { acceptedAt }: Pick<OpenRow, "acceptedAt">): boolean {
  return deps.clock.now() - acceptedAt >= inFlightMs(deps);
}

async function statusOf(deps: Dependencies, key: RunKey): Promise<OpenStatus | undefined> {
  const found = await findRun(deps, key);
  return found?.kind === "open" ? found.stored.run.status : undefined;
}
