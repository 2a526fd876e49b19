import { type Clock, makeServiceClock, type ServiceClock } from "../../shared/clock.ts";
import { isRecord } from "../../shared/plain-data.ts";
import type { Tables } from "./fake-run-table.ts";

/** What a replica on a machine of its own is given. */
export interface ReplicaOnMachine {
  readonly tables: Tables;
  readonly clock: ServiceClock;
}

/**
 * Gives a replica on this machine the product's own clock, and tables whose every answer tells that clock the time, as
 * the real service does. `right` is the service's clock.
 */
export function onMachine(
  machine: Clock,
  tables: Tables,
  right: Clock,
  onOff: (aheadMs: number) => void = () => {},
): ReplicaOnMachine {
  const clock = makeServiceClock(machine, onOff);
  const answering = new Proxy(tables, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name, target);
      if (typeof method !== "function") return method;
      return async (...args: unknown[]) => {
        const sent = machine.read();
        try {
          return readAt(await Reflect.apply(method, target, args), sent);
        } finally {
          clock.hear(Math.floor(right.now() / 1_000) * 1_000, sent);
        }
      };
    },
  });
  return { tables: answering, clock };
}

/** Dates what was read by the clocks of the machine that read it. */
function readAt(answer: unknown, read: ReturnType<Clock["read"]>): unknown {
  if (Array.isArray(answer)) return answer.map((item) => readAt(item, read));
  if (!isRecord(answer)) return answer;
  if (isRecord(answer["stored"])) return { ...answer, stored: { ...answer["stored"], read } };
  return "read" in answer ? { ...answer, read } : answer;
}
