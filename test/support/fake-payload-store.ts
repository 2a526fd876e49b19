import type { Clock } from "../../shared/clock.ts";
import type { PayloadStore } from "../../shared/ports/payload-store.ts";
import { type RunKey, runId } from "../../shared/run/run.ts";
import { type Interference, withInterference } from "./interference.ts";

export interface FakePayloadStore extends PayloadStore, Interference<keyof PayloadStore> {
  /** Bodies by run id. */
  readonly bodies: ReadonlyMap<string, Uint8Array>;
  /** Logs by URL. */
  readonly logs: ReadonlyMap<string, Uint8Array>;
}

/** Payloads in memory. Its URLs lead nowhere, and say until when they would be valid. */
export function makeFakePayloadStore({ clock }: { clock: Clock }): FakePayloadStore {
  const bodies = new Map<string, Uint8Array>();
  const logs = new Map<string, Uint8Array>();

  const port: PayloadStore = {
    async putBody(key, body) {
      bodies.set(idOf(key), Uint8Array.from(body));
    },
    bodyUrl: async (key, validForMs) =>
      `https://payloads.test/${encodeURIComponent(idOf(key))}/body?sig=secret&until=${clock.now() + validForMs}`,
    async deleteBody(key) {
      bodies.delete(idOf(key));
    },
    async putLog(key, attempt, container, log) {
      const url = `https://payloads.test/${encodeURIComponent(idOf(key))}/attempt-${attempt}/${container}.log`;
      logs.set(url, Uint8Array.from(log));
      return url;
    },
    verify: async () => {},
  };
  return Object.assign(withInterference(port), { bodies, logs });
}

/** The bus's entity names ignore case. */
function idOf(key: RunKey): string {
  return runId(key).toLowerCase();
}
