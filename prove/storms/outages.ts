import { setTimeout as sleep } from "node:timers/promises";
import type { BusMessage } from "../audit/audit.ts";
import { readBus } from "../audit/books.ts";
import type { ServerName } from "../faults/edges.ts";
import { type KindName, planMessages } from "../stage/kinds.ts";
import { noneDeadLettered, spared } from "./delivery-counts.ts";
import type { Check, Judge, Scene, Storm } from "./storm.ts";

/** None of them may ever be a dead letter: a single one is the storm's fault. */
const KINDS = ["success", "topic", "retry"] as const satisfies readonly KindName[];
const TEN_MINUTES_MS = 600_000;
/** Of the bus's answers while it throttles. */
const THROTTLED_SHARE = 0.8;
/** The bus is looked at so often while the trouble lasts: what is settled later tells nothing any more. */
const LOOKS = 5;

/** Sends a third before, a third while the trouble lasts, and a third when it is over. */
function during(server: ServerName, begin: (scene: Scene) => Promise<void> | void, end: (scene: Scene) => void) {
  return async (scene: Scene): Promise<Judge> => {
    const { send, size, stage, lockMs, say } = scene;
    const planned = planMessages(size.seed, size.messages, KINDS);
    const third = Math.ceil(planned.length / 3);
    await send(planned.slice(0, third));
    const over = begin(scene);
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
    end(scene);
    await over;
    const refused = stage.gates[server].refused - refusedBefore;
    const checks: Check[] = [
      { claim: `the ${server} turned calls away`, holds: refused > 0, found: `${refused} calls` },
      spared(seen, size.outageMs, lockMs),
      noneDeadLettered(letters, "while it lasted"),
    ];
    await send(planned.slice(2 * third));
    return ({ deadLetters }) => [...checks, noneDeadLettered(deadLetters, "in the end")];
  };
}

function busy(server: ServerName, share: number): Storm["rage"] {
  const gateOf = ({ stage }: Scene) => stage.gates[server];
  return during(
    server,
    (scene) => gateOf(scene).busy(share),
    (scene) => gateOf(scene).busy(0),
  );
}

const common = { messages: 300, outageMs: TEN_MINUTES_MS } as const;

export const throttledBus: Storm = {
  ...common,
  about: "four of five calls to the bus are throttled for minutes",
  outageMs: TEN_MINUTES_MS / 2,
  rage: busy("bus", THROTTLED_SHARE),
};

export const busyStorage: Storm = {
  ...common,
  about: "the storage account, its table above all, answers 503 to every call for ten minutes",
  rage: busy("storage", 1),
};

export const clusterAway: Storm = {
  ...common,
  about: "the cluster's API can't be reached for ten minutes",
  rage: during(
    "cluster",
    ({ stage, size }) => stage.away({ server: "cluster", how: "refuses", ms: size.outageMs }),
    () => {},
  ),
};
