import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Dependencies } from "../dependencies.ts";
import { ConflictError, errorText } from "../errors.ts";
import type { Log } from "../log.ts";
import type { StoredTickLease, TickLease } from "../ports/instance-table.ts";

/** How long a replica that ticks keeps the others from it. The usual 10 s between two ticks are less. */
const TICK_LEASE_MS = 15_000;

/** How often the lease is renewed while a tick takes its time. The usual tick and its watch are over by then. */
const RENEW_EVERY_MS = 10_000;

/** A tick that takes longer than this is stuck. Its lease ends, so that another replica ticks. */
const LONGEST_TICK_MS = 120_000;

/** So long a replica whose tick came to nothing leaves the lease to the others. */
const STAND_ASIDE_MS = 60_000;

/** How often the lease is looked at, if another replica changes it each time. Then the replica ticks all the same. */
const MAX_LOOKS = 3;

/** The ticks of one replica. */
export interface Ticks {
  /** Ticks, or passes over this tick, because another replica has the lease. */
  tick(log: Log): Promise<void>;
  /** Gives the lease back, so that another replica ticks at once. A process that ends calls it. Never rejects. */
  stop(): Promise<void>;
}

/**
 * Lets one replica tick, by a lease in the table: the replica that ticked goes on ticking, and the timers of the others find
 * the lease and pass over. A replica that dies is replaced as soon as its lease has ended and another timer fires.
 *
 * This is thrift, not safety. Two ticks at once are harmless, but they read and list everything twice, and get in each
 * other's way. So only another replica's valid lease keeps a replica from ticking: if the table can't be asked, it
 * ticks. A replica whose ticks come to nothing goes on without the lease, so that a sound one takes it. The Functions
 * host lets only one replica have the timer anyway, which then finds the lease its own.
 *
 * It costs the holder one write a tick and 10 s, and each of the others one read a tick.
 */
export function makeTicks(
  { instanceTable, clock }: Pick<Dependencies, "instanceTable" | "clock">,
  reconcile: (log: Log) => Promise<boolean>,
): Ticks {
  // Each process has an id of its own. People read the first part, which is the pod's name.
  const id = `${hostname()}/${randomUUID().slice(0, 8)}`;
  /** The lease as this replica wrote it last; undefined if another one may have it. */
  let held: StoredTickLease | undefined;
  /** When a tick of this replica last came to nothing, by the monotonic clock. */
  let failedAt: number | undefined;
  /** The replica for which this one passed over its last tick. */
  let leftTo: string | undefined;

  const write = (until: number, etag: string | undefined) => instanceTable.saveTickLease({ holder: id, until }, etag);
  const take = (etag: string | undefined) => write(clock.now() + TICK_LEASE_MS, etag);

  /** Says whether another replica keeps this one from ticking. A lease that ends too late to be true keeps nobody. */
  function isAnothers({ holder, until }: TickLease): boolean {
    const leftMs = until - clock.now();
    return holder !== id && leftMs > 0 && leftMs <= 2 * TICK_LEASE_MS;
  }

  /** Takes or renews the lease. Resolves to the replica that has it, if that is another one. */
  async function takeUnlessAnothers(): Promise<string | undefined> {
    for (let look = 1; look <= MAX_LOOKS; look += 1) {
      const stored = held ?? (await instanceTable.tickLease());
      held = undefined;
      if (stored && isAnothers(stored.lease)) return stored.lease.holder;
      if (isStandingAside()) return undefined;
      try {
        held = await take(stored?.etag);
        return undefined;
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
      }
    }
    return undefined;
  }

  /** Whether the lease is left to another replica, because this one's ticks come to nothing. It ticks without it. */
  function isStandingAside(): boolean {
    return failedAt !== undefined && clock.read().monotonicMs - failedAt < STAND_ASIDE_MS;
  }

  async function giveBack(): Promise<void> {
    // If this fails, the lease ends by itself.
    if (held) await write(clock.now(), held.etag).catch(() => undefined);
    held = undefined;
  }

  /** Ticks, and renews the lease meanwhile. */
  async function tickUnderLease(log: Log): Promise<void> {
    const startedAt = clock.read().monotonicMs;
    let renewal = Promise.resolve();
    const renew = async () => {
      if (!held || clock.read().monotonicMs - startedAt > LONGEST_TICK_MS) return;
      held = await take(held.etag).catch(() => undefined);
    };
    const timer = setInterval(() => {
      renewal = renewal.then(renew);
    }, RENEW_EVERY_MS);
    let isOfUse = false;
    try {
      isOfUse = await reconcile(log);
    } finally {
      clearInterval(timer);
      await renewal;
      // This replica can do nothing here: it sees another cluster, can't reach one of the servers, or its tick fails.
      // Another replica may do better.
      failedAt = isOfUse ? undefined : clock.read().monotonicMs;
      if (!isOfUse) await giveBack();
    }
  }

  return {
    async tick(log) {
      let holder: string | undefined;
      try {
        holder = await takeUnlessAnothers();
      } catch (error) {
        log.warn("could not ask which replica ticks, so this one does", { why: errorText(error) });
      }
      // Only the change is worth a line. A replica may pass over its ticks for months.
      if (holder !== undefined && leftTo === undefined) log.info("leaving the ticks to another replica", { holder });
      if (holder === undefined && leftTo !== undefined) log.info("took over the ticks", { from: leftTo });
      leftTo = holder;
      if (holder === undefined) await tickUnderLease(log);
    },

    stop: giveBack,
  };
}
