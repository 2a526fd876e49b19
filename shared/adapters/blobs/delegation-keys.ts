import type { BlobServiceClient, UserDelegationKey } from "@azure/storage-blob";
import type { Clock, EpochMs } from "../../clock.ts";

const MINUTE_MS = 60 * 1000;
const CLOCK_SKEW_MS = 5 * MINUTE_MS;
/** The service gives no key for longer. */
const LONGEST_MS = 7 * 24 * 60 * MINUTE_MS - CLOCK_SKEW_MS;
/** What is kept back of a key's time, so that one key serves an hour of the longest requests. */
const RESERVE_MS = 60 * MINUTE_MS;

export interface DelegationKey {
  readonly key: UserDelegationKey;
  /** When the signature has to end: as asked for, or as late as the key allows. */
  readonly expiresOn: Date;
}

/**
 * Keys that sign URLs in the name of the app's identity, which needs no account key but the right to ask for them. One is kept until it
 * ends too early for what is asked. Rejects as the SDK does.
 */
export function makeDelegationKeys(
  account: BlobServiceClient,
  clock: Clock,
  timeoutMs: number,
): (expiresOn: Date) => Promise<DelegationKey> {
  let kept: { readonly key: Promise<UserDelegationKey>; readonly until: EpochMs } | undefined;

  const ask = (now: EpochMs) => {
    const until = now + LONGEST_MS;
    const abortSignal = AbortSignal.timeout(timeoutMs);
    const key = account.getUserDelegationKey(new Date(now - CLOCK_SKEW_MS), new Date(until), { abortSignal });
    const asked = { key, until };
    key.catch(() => {
      if (kept === asked) kept = undefined;
    });
    return asked;
  };

  return async (wanted) => {
    const now = clock.now();
    const expiresAt = Math.min(wanted.getTime(), now + LONGEST_MS - RESERVE_MS);
    if (kept === undefined || kept.until < expiresAt) kept = ask(now);
    return { key: await kept.key, expiresOn: new Date(expiresAt) };
  };
}
