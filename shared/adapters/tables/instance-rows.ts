import { randomUUID } from "node:crypto";
import { unlessConflict } from "../../errors.ts";
import { once } from "../../once.ts";
import type { InstanceTable } from "../../ports/instance-table.ts";
import type { Action } from "../../run/action.ts";
import { gateName } from "../../run/gate-state.ts";
import { sourceName } from "../../run/source.ts";
import { actionSteps, makeActionRows } from "./action-rows.ts";
import type { Columns } from "./columns.ts";
import { readEnds, writeEnds } from "./ends-entity.ts";
import { readGateState, writeGateState } from "./gate-entity.ts";
import { readCluster, readHold, writeCluster, writeHold } from "./hold-entities.ts";
import {
  CLUSTER_ROW,
  ENDS_ROW,
  GATE_ROWS,
  gateRow,
  HELD_ROWS,
  heldRow,
  instancePartition,
  LEASE_ROW,
  LIMIT_ROWS,
  limitRow,
  MODULE_ROWS,
  moduleRow,
  OWNER_ROW,
  REDRIVE_ROWS,
  REGISTRY_ROWS,
  redriveRow,
  registryRow,
  SWEEP_ROW,
  sourcePartition,
  TICK_ROW,
} from "./keys.ts";
import { readLimit, writeLimit } from "./limit-entity.ts";
import { readModuleState, writeModuleState } from "./module-entity.ts";
import { readRedrive, writeRedrive } from "./redrive-entity.ts";
import { type ReadRows, strictly, type TableRows } from "./rows.ts";
import { readSource, writeSource } from "./run-entity.ts";
import { readTick, writeTick } from "./tick-entity.ts";
import type { Step } from "./transactions.ts";

/** Makes the port to the rows of the instance and its sources. */
export function makeInstanceRows(rows: TableRows, instance: string, readable: ReadRows): InstanceTable {
  const instanceRows = instancePartition(instance);
  const registered = new Set<string>();
  let known: string | undefined;

  /**
   * Replaces a row of the instance if it is unchanged since it was read, or inserts it if there is no ETag. If a person
   * does so, the action log notes it in the same transaction.
   */
  async function save(
    rowKey: string,
    columns: Columns,
    etag: string | undefined,
    doing: string,
    action?: Action,
  ): Promise<void> {
    const row = { ...columns, partitionKey: instanceRows, rowKey };
    const logged = actionSteps(instanceRows, action);
    if (etag !== undefined) await rows.transact([{ kind: "replace", row, etag }, ...logged], doing);
    else if (action) await rows.transact([{ kind: "create", row }, ...logged], doing);
    else await rows.insert(instanceRows, rowKey, columns, doing);
  }

  return {
    ...makeActionRows(rows, instance, readable),

    owner: once(() => ownerOf(rows, instanceRows)),

    async knownOwner() {
      known ??= await readOwner(rows, instanceRows);
      return known;
    },

    async sources() {
      const found = await rows.query(instanceRows, REGISTRY_ROWS, {}, "listing the sources");
      return readable(found, ({ columns }) => readSource(columns));
    },

    async registerSource(source) {
      const partition = sourcePartition(instance, source);
      // Every message asks for this, and a registered source is never removed.
      if (registered.has(partition)) return;
      const doing = `registering the source ${sourceName(source)}`;
      await rows.insert(instanceRows, registryRow(partition), writeSource(source), doing).catch(unlessConflict);
      registered.add(partition);
    },

    async moduleStates() {
      const found = await rows.query(instanceRows, MODULE_ROWS, {}, "reading which modules are tripped");
      return readable(found, ({ columns, etag }) => ({ state: readModuleState(columns), etag }));
    },

    async saveModuleState(state, etag) {
      const doing = `noting whether the module ${state.module} can start`;
      await save(moduleRow(state.module), writeModuleState(state), etag, doing);
    },

    async limits() {
      const found = await rows.query(instanceRows, LIMIT_ROWS, {}, "reading which modules are paused or limited");
      return readable(found, ({ columns, etag }) => ({ limit: readLimit(columns), etag }));
    },

    async saveLimit(limit, etag, action) {
      await save(limitRow(limit.module), writeLimit(limit), etag, `limiting the module ${limit.module}`, action);
    },

    async removeLimit(module, etag, action) {
      const row = { partitionKey: instanceRows, rowKey: limitRow(module) };
      const steps: Step[] = [{ kind: "delete", row, etag }, ...actionSteps(instanceRows, action)];
      await rows.transact(steps, `lifting the limit of the module ${module}`);
    },

    async redrives() {
      const found = await rows.query(instanceRows, REDRIVE_ROWS, {}, "reading what is to be redriven");
      return readable(found, ({ columns, etag }) => ({ redrive: readRedrive(columns), etag }));
    },

    async saveRedrive(redrive, etag, action) {
      const rowKey = redriveRow(sourcePartition(instance, redrive.source));
      const row = { ...writeRedrive(redrive), partitionKey: instanceRows, rowKey };
      const step: Step = etag === undefined ? { kind: "create", row } : { kind: "replace", row, etag };
      const doing = `noting how far the redrive of ${sourceName(redrive.source)} came`;
      const { etags } = await rows.transact([step, ...actionSteps(instanceRows, action)], doing);
      return { redrive, etag: etags[0] ?? "" };
    },

    async cluster() {
      const row = await rows.get(instanceRows, CLUSTER_ROW, "reading which cluster the Jobs are in");
      return row && { record: strictly(row, () => readCluster(row.columns)), etag: row.etag };
    },

    async saveCluster(record, etag, action) {
      await save(CLUSTER_ROW, writeCluster(record), etag, "noting which cluster the Jobs are in", action);
    },

    async heldSources() {
      const found = await rows.query(instanceRows, HELD_ROWS, {}, "reading which sources are held");
      return readable(found, ({ columns, etag }) => ({ source: readSource(columns), hold: readHold(columns), etag }));
    },

    async holdSource(source, hold, etag, action) {
      const doing = `holding the source ${sourceName(source)}`;
      const columns = { ...writeSource(source), ...writeHold(hold) };
      await save(heldRow(sourcePartition(instance, source)), columns, etag, doing, action);
    },

    async releaseSource(source, etag) {
      const row = { partitionKey: instanceRows, rowKey: heldRow(sourcePartition(instance, source)) };
      await rows.transact([{ kind: "delete", row, etag }], `releasing the source ${sourceName(source)}`);
    },

    async gateStates() {
      const found = await rows.query(instanceRows, GATE_ROWS, {}, "reading which gates are shut");
      return readable(found, ({ columns, etag }) => ({ state: readGateState(columns), etag }));
    },

    saveGateState: (state, etag, action) =>
      save(gateRow(state.scope), writeGateState(state), etag, `noting what ${gateName(state.scope)} rejects`, action),

    // Ticks and cursors are written without a condition, because two writers at once, or a value that steps back, do no
    // harm.
    async recordTick(at, counts) {
      await rows.put(instanceRows, TICK_ROW, writeTick(at, counts), "recording the tick");
    },

    async lastTick() {
      const row = await rows.get(instanceRows, TICK_ROW, "reading when the last tick was");
      return row && readTick(row.columns);
    },

    async tickLease() {
      const row = await rows.get(instanceRows, LEASE_ROW, "reading which replica ticks");
      if (row === undefined) return undefined;
      const { holder, until } = row.columns;
      // If a value is unusable, the lease counts as ended, and the next replica that ticks writes it anew.
      const lease = { holder: String(holder), until: until instanceof Date ? until.getTime() : 0 };
      return { lease, etag: row.etag };
    },

    async saveTickLease(lease, etag) {
      const row = { partitionKey: instanceRows, rowKey: LEASE_ROW, holder: lease.holder, until: new Date(lease.until) };
      const step: Step = etag === undefined ? { kind: "create", row } : { kind: "replace", row, etag };
      const { etags } = await rows.transact([step], "noting which replica ticks");
      return { lease, etag: etags[0] ?? "" };
    },

    async ends() {
      const row = await rows.get(instanceRows, ENDS_ROW, "reading how many runs were closed lately");
      return row && { ends: readEnds(row.columns), etag: row.etag };
    },

    async saveEnds(ends, etag) {
      const row = { ...writeEnds(ends), partitionKey: instanceRows, rowKey: ENDS_ROW };
      const step: Step = etag === undefined ? { kind: "create", row } : { kind: "replace", row, etag };
      const { etags } = await rows.transact([step], "noting how many runs were closed lately");
      return { ends, etag: etags[0] ?? "" };
    },

    async sweepCursor(source) {
      const partition = sourcePartition(instance, source);
      const row = await rows.get(partition, SWEEP_ROW, `reading where the sweep of ${sourceName(source)} is`);
      const next = Number(row?.columns.nextSequenceNumber ?? 0);
      // If the value is unusable, the sweep peeks from the start again, which is only slow.
      return Number.isSafeInteger(next) ? next : 0;
    },

    async saveSweepCursor(source, sequenceNumber) {
      const columns = { nextSequenceNumber: BigInt(sequenceNumber) };
      const doing = `saving where the sweep of ${sourceName(source)} is`;
      await rows.put(sourcePartition(instance, source), SWEEP_ROW, columns, doing);
    },
  };
}

async function ownerOf(rows: TableRows, partition: string): Promise<string> {
  const held = await readOwner(rows, partition);
  if (held !== undefined) return held;
  // Two replicas may start at once. One insert wins, and both read the winner's id.
  await rows.insert(partition, OWNER_ROW, { id: randomUUID() }, "making the owner's id").catch(unlessConflict);
  const made = await readOwner(rows, partition);
  if (made !== undefined) return made;
  throw new Error(`The row ${OWNER_ROW} of partition ${partition} holds no id. Restore it if it was edited by hand.`);
}

async function readOwner(rows: TableRows, partition: string): Promise<string | undefined> {
  const id = (await rows.get(partition, OWNER_ROW, "reading the owner's id"))?.columns.id;
  return typeof id === "string" ? id : undefined;
}
