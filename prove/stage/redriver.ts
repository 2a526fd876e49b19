import { setTimeout as sleep } from "node:timers/promises";
import { makeAzureTable } from "../../shared/adapters/tables/run-table.ts";
import { systemClock } from "../../shared/clock.ts";
import { makeLog } from "../../shared/log.ts";
import { orderRedrive } from "../../shared/operate/redrive-letters.ts";
import { isAtWork } from "../../shared/run/redrive.ts";
import { QUEUE } from "./kinds.ts";
import { GIVES_UP, REDRIVEN_MODULES } from "./proof-modules.ts";

const LOOK_MS = 1_000;
const SOURCE = { queue: QUEUE };
/** The groups that are looked at. There are fewer. */
const MOST_GROUPS = 50;
/** A proof has letters by the hundred, and little time. */
const PER_SECOND = 200;

/** What of the servers the redriver needs. It goes straight to them. */
interface Place {
  readonly storage: string;
  readonly tableName: string;
  readonly instance: string;
}

/**
 * Plays the person who has dead letters redriven, group by group: those whose work gave up the first time. What it orders
 * is carried out by the replicas. The function that it returns stops it.
 */
export function startRedriver({ storage, tableName, instance }: Place): () => Promise<void> {
  const table = makeAzureTable({
    connection: { kind: "connectionString", value: storage },
    tableName,
    instance,
    clock: systemClock,
  });
  const deps = { instanceTable: table, clock: systemClock, kedaVersion: undefined };
  const log = makeLog({ info() {}, warn() {}, error() {} });
  const how = { by: { who: "the proof" }, perSecond: PER_SECOND };
  const stop = new AbortController();
  const orderNext = async () => {
    if ((await table.redrives()).some(({ redrive }) => isAtWork(redrive))) return;
    const { groups } = await table.failureGroups(SOURCE, undefined, MOST_GROUPS);
    const wanted = groups.find(
      ({ newest: { module, exitCode } }) => REDRIVEN_MODULES.includes(module) && exitCode === GIVES_UP,
    );
    if (wanted) await orderRedrive(deps, SOURCE, { group: wanted.newest.group.id }, how, log);
  };
  const going = (async () => {
    while (!stop.signal.aborted) {
      await orderNext().catch(() => undefined);
      await sleep(LOOK_MS);
    }
  })();
  return async () => {
    stop.abort();
    await going;
  };
}
