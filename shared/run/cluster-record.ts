import type { EpochMs } from "../clock.ts";

/** Which cluster the Jobs of an instance are in. It is one row, which all replicas share. */
export interface ClusterRecord {
  /** The uid of the Jobs' namespace. Undefined as long as no replica had the right to read it. */
  readonly uid?: string;
  /** The name of that namespace, for people. */
  readonly namespace: string;
  /** Another namespace that ticks have seen while no Job was at work, and since when. */
  readonly next?: { readonly uid: string; readonly since: EpochMs };
  /** Since when so many Jobs are missing that no absence is believed. */
  readonly doubtedSince?: EpochMs;
}

/**
 * Why a replica starts nothing.
 *
 * - `another cluster`: it sees another namespace than the recorded one. It judges and retires nothing either.
 * - `cluster changes`: another namespace is about to be taken, so that no Job may be on its way into the old one.
 * - `jobs missing`: so many Jobs are missing that none of them is judged.
 */
export type ClusterHold = "another cluster" | "cluster changes" | "jobs missing";

/** What a replica sees of its cluster. */
export interface ClusterSight {
  /** The uid of the Jobs' namespace. Undefined without the right to read it. */
  readonly uid: string | undefined;
  readonly namespace: string;
  readonly now: EpochMs;
}

/**
 * How long another namespace has to be seen, with no Job at work, before it is taken. Replicas read the record at most
 * 10 s before they send a start, and the API server has 15 s to answer. So every Job that was on its way into the old
 * namespace is in its row by then.
 */
const CHANGE_MS = 120_000;

/** Says why a replica that sees this uid starts nothing; undefined if it may. */
export function holdOf(record: ClusterRecord, uid: string | undefined): ClusterHold | undefined {
  // guard: cluster-identity
  if (isAnother(record, uid)) return "another cluster";
  if (record.next !== undefined) return "cluster changes";
  return record.doubtedSince === undefined ? undefined : "jobs missing";
}

/** Gives the record that follows when a replica sees the cluster: the first uid that is seen is taken. */
export function afterSight(record: ClusterRecord | undefined, { uid, namespace }: ClusterSight): ClusterRecord {
  if (record === undefined) return { namespace, ...(uid === undefined ? {} : { uid }) };
  return record.uid === undefined && uid !== undefined ? { ...record, uid, namespace } : record;
}

/**
 * Gives the record that follows when a tick sees the cluster. A tick that sees no other namespace than the recorded one
 * ends every plan to take another one. `areMissing`: so many Jobs are missing that none is believed to be gone.
 */
export function afterTick(
  record: ClusterRecord | undefined,
  sight: ClusterSight,
  { isAtWork, areMissing }: { readonly isAtWork: boolean; readonly areMissing: boolean },
): ClusterRecord {
  const { uid, namespace, now } = sight;
  const known = afterSight(record, sight);
  const { next, doubtedSince, ...ours } = known;
  if (isAnother(known, uid) && uid !== undefined) {
    const doubt = doubtedSince === undefined ? {} : { doubtedSince };
    if (isAtWork) return { ...ours, ...doubt };
    if (next?.uid !== uid) return { ...ours, ...doubt, next: { uid, since: now } };
    return now - next.since < CHANGE_MS ? known : { uid, namespace };
  }
  return { ...ours, ...(areMissing ? { doubtedSince: doubtedSince ?? now } : {}) };
}

/** Gives the record that follows when a person says that the cluster which is seen is the right one. */
export function accepted(
  record: ClusterRecord | undefined,
  { uid = record?.uid, namespace }: ClusterSight,
): ClusterRecord {
  return { namespace, ...(uid === undefined ? {} : { uid }) };
}

function isAnother(record: ClusterRecord, uid: string | undefined): boolean {
  return record.uid !== undefined && uid !== undefined && record.uid !== uid;
}
