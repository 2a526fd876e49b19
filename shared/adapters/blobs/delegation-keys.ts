import type { BlobServiceClient, UserDelegationKey } from "@azure/storage-blob";
import type { Clock, EpochMs } from "../../clock.ts";

const MINUTE_MS = 60 * 1000;
const CLOCK_SKEW_MS = 5 * MINUTE_MS;
/** The service makes no key that lasts longer. */
const LONGEST_MS = 7 * 24 * 60 * MINUTE_MS - CLOCK_SKEW_MS;
/** How much of a key's time is held back, so that one key serves an hour of the longest requests. */
const RESERVE_MS = 60 * MINUTE_MS;

/** A key, and until when a URL may be signed with it. */
export interface DelegationKey {
  readonly key: UserDelegationKey;
  /** When the signature has to end: as asked for, or as late as the key allows. */
  readonly expiresOn: Date;
}

/**
 * Gets keys that sign URLs in the name of the app's identity, which needs the right to ask for them instead of an
 * account key. A key is used until it ends too early for a request. Rejects as the SDK does.
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
