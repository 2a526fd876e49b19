import { setTimeout as sleep } from "node:timers/promises";
import type { BusMessage } from "../audit/audit.ts";
import { readBus } from "../audit/read-records.ts";
import type { ServerName } from "../faults/edges.ts";
import { type KindName, planMessages } from "../stage/kinds.ts";
import { noneDeadLettered, spared } from "./delivery-counts.ts";
import type { Check, FinalChecks, Storm, StormContext } from "./storm.ts";

/** The kinds of messages that succeed in the end, so that every dead letter is the fault of the outage. */
const KINDS = ["success", "topic", "retry"] as const satisfies readonly KindName[];
const TEN_MINUTES_MS = 600_000;
/** The share of the calls that the bus refuses while it throttles. */
const THROTTLED_SHARE = 0.8;
/**
 * How often the storm looks at the bus during the outage, because a message that is settled later no longer shows its
 * deliveries.
 */
const LOOKS = 5;

/** Sends a third of the messages before the outage, a third during it, and a third when it is over. */
function during(
  server: ServerName,
  begin: (context: StormContext) => Promise<void> | void,
  end: (context: StormContext) => void,
) {
  return async (context: StormContext): Promise<FinalChecks> => {
    const { send, size, stage, lockMs, say } = context;
    const planned = planMessages(size.seed, size.messages, KINDS);
    const third = Math.ceil(planned.length / 3);
    await send(planned.slice(0, third));
    const over = begin(context);
    const refusedBefore = stage.gates[server].refused;
    const startedAt = performance.now();
    await send(planned.slice(third, 2 * third));
    const seen: BusMessage[] = [];
    const letters: BusMessage[] = [];
    for (let look = 1; look <= LOOKS; look += 1) {
      await sleep(Math.max(0, startedAt + (size.outageMs * look) / LOOKS - performance.now()));
      const { bus, deadLetters } = await readBus(stage.servers.serviceBus);
      seen.push(...bus);
      letters.push(...deadLetters);
      say(`${bus.length} messages are on the bus`);
    }
    end(context);
    await over;
    const refused = stage.gates[server].refused - refusedBefore;
    const checks: Check[] = [
      { claim: `the ${server} refused calls`, holds: refused > 0, found: `${refused} calls` },
      spared(seen, size.outageMs, lockMs),
      noneDeadLettered(letters, "during the outage"),
    ];
    await send(planned.slice(2 * third));
    return ({ deadLetters }) => [...checks, noneDeadLettered(deadLetters, "in the end")];
  };
}

function throttled(server: ServerName, share: number): Storm["run"] {
  const gateOf = ({ stage }: StormContext) => stage.gates[server];
  return during(
    server,
    (context) => gateOf(context).throttle(share),
    (context) => gateOf(context).throttle(0),
  );
}

const common = { messages: 300, outageMs: TEN_MINUTES_MS } as const;

export const throttledBus: Storm = {
  ...common,
  about: "the bus throttles four of five calls for five minutes",
  outageMs: TEN_MINUTES_MS / 2,
  run: throttled("bus", THROTTLED_SHARE),
};

export const busyStorage: Storm = {
  ...common,
  about: "the storage account answers 503 to every call for ten minutes",
  run: throttled("storage", 1),
};

export const clusterAway: Storm = {
  ...common,
  about: "the API server of the cluster can't be reached for ten minutes",
  run: during(
    "cluster",
    ({ stage, size }) => stage.takeAway({ server: "cluster", how: "refuses", ms: size.outageMs }),
    () => {},
  ),
};
