import type { Clock } from "../../shared/clock.ts";
import type { PayloadStore, StoredBody } from "../../shared/ports/payload-store.ts";
import { keyOf, type RunKey, runId } from "../../shared/run/run.ts";
import { sourceKey } from "../../shared/run/source.ts";
import { type Interference, withInterference } from "./interference.ts";

export interface FakePayloadStore extends PayloadStore, Interference<keyof PayloadStore> {
  /** The bodies, by run id. */
  readonly bodies: ReadonlyMap<string, Uint8Array>;
  /** The logs, by URL. */
  readonly logs: ReadonlyMap<string, Uint8Array>;
}

/** A payload store in memory. Its URLs lead nowhere, and say until when they would be valid. */
export function makeFakePayloadStore({ clock }: { clock: Clock }): FakePayloadStore {
  const bodies = new Map<string, Uint8Array>();
  const stored = new Map<string, StoredBody>();
  let puts = 0;
  const logs = new Map<string, Uint8Array>();

  const port: PayloadStore = {
    async putBody(key, body) {
      bodies.set(idOf(key), Uint8Array.from(body));
      stored.set(idOf(key), { key: keyOf(key), version: String(++puts) });
    },
    bodyUrl: async (key) => `https://payloads.test/${encodeURIComponent(idOf(key))}/body`,
    signedBodyUrl: async (key, validForMs) =>
      `https://payloads.test/${encodeURIComponent(idOf(key))}/body?sig=secret&until=${clock.now() + validForMs}`,
    async deleteBody(key, version) {
      if (version !== undefined && stored.get(idOf(key))?.version !== version) return;
      bodies.delete(idOf(key));
      stored.delete(idOf(key));
    },
    async listBodies(source, limit, from) {
      const all = [...stored.values()].filter(({ key }) => sourceKey(key.source) === sourceKey(source));
      const start = Number(from ?? 0);
      const bodies = all.slice(start, start + limit);
      return start + limit < all.length ? { bodies, next: String(start + limit) } : { bodies };
    },
    async putLog(key, attempt, container, log) {
      const url = `https://payloads.test/${encodeURIComponent(idOf(key))}/attempt-${attempt}/${container}.log`;
      logs.set(url, Uint8Array.from(log));
      return url;
    },
    async keptLogs(key, attempt, maxBytes) {
      const folder = `https://payloads.test/${encodeURIComponent(idOf(key))}/attempt-${attempt}/`;
      return [...logs]
        .filter(([url]) => url.startsWith(folder))
        .map(([url, log]) => ({
          container: url.slice(folder.length, -".log".length),
          log: log.slice(-maxBytes),
          isCut: log.length > maxBytes,
        }));
    },
    verify: async () => {},
  };
  return Object.assign(withInterference(port), { bodies, logs });
}

/** The id of a run, in lower case, because the bus's entity names ignore case. */
function idOf(key: RunKey): string {
  return runId(key).toLowerCase();
}
