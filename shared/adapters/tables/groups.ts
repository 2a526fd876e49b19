import pLimit from "p-limit";
import { befallsAll } from "../azure/storage-error.ts";
import { refusedStep, type Step } from "./transactions.ts";

/** Does all steps or none. Resolves to the new ETag of each. */
type Submit = (steps: readonly Step[]) => Promise<readonly string[]>;

interface Write {
  readonly steps: readonly Step[];
  readonly resolve: (etags: readonly string[]) => void;
  readonly reject: (error: unknown) => void;
}

/** The most that the service takes in one transaction. */
const MOST_STEPS = 100;
/** How many writes of a refused group are sent again at once. */
const AGAIN_AT_ONCE = 4;

/**
 * Groups the writes to one partition that come while a request is on its way, and sends them in one transaction. A busy
 * source then costs a fraction of the requests, and a quiet one waits for nothing. Each caller gets the outcome of its
 * own write: if one row makes the service refuse a group, the other writes are sent again as a group without it, or one
 * by one if the service doesn't say which row it was. An error of the service as a whole fails them all.
 */
export function groupWrites(submit: Submit): Submit {
  const partitions = new Map<string, (write: Write) => void>();

  const toPartition = () => {
    const waiting: Write[] = [];
    const inTurn = pLimit(1);
    return (write: Write) => {
      waiting.push(write);
      // When its turn comes, an earlier group may have sent it already.
      void inTurn(() => sendGroup(takeGroup(waiting), submit));
    };
  };

  return (steps) =>
    new Promise((resolve, reject) => {
      const key = steps[0]?.row.partitionKey ?? "";
      const send = partitions.get(key) ?? toPartition();
      // The map grows to the number of sources, and no further.
      partitions.set(key, send);
      send({ steps, resolve, reject });
    });
}

/** Takes the writes that fit into one transaction, oldest first. No row may be in it twice. */
function takeGroup(waiting: Write[]): Write[] {
  const group: Write[] = [];
  const rows = new Set<string>();
  for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
    const keys = next.steps.map(({ row }) => row.rowKey);
    if (group.length > 0 && (rows.size + keys.length > MOST_STEPS || keys.some((key) => rows.has(key)))) break;
    for (const key of keys) rows.add(key);
    group.push(next);
    waiting.shift();
  }
  return group;
}

/** Sends one group, and settles the promise of each of its writes. Never rejects. */
async function sendGroup(group: readonly Write[], submit: Submit): Promise<void> {
  let left = group;
  while (left.length > 1) {
    try {
      const etags = await submit(left.flatMap(({ steps }) => steps));
      let from = 0;
      for (const { steps, resolve } of left) {
        resolve(etags.slice(from, from + steps.length));
        from += steps.length;
      }
      return;
    } catch (error) {
      if (befallsAll(error)) {
        for (const { reject } of left) reject(error);
        return;
      }
      const refused = refusedOf(left, error);
      if (refused === undefined) break;
      refused.reject(error);
      left = left.filter((write) => write !== refused);
    }
  }
  await pLimit(AGAIN_AT_ONCE).map(left, ({ steps, resolve, reject }) => submit(steps).then(resolve, reject));
}

/** Finds the write that made the service refuse a group; undefined if the service doesn't say which one it was. */
function refusedOf(group: readonly Write[], error: unknown): Write | undefined {
  const step = refusedStep(error);
  if (step === undefined) return undefined;
  return group.flatMap((write) => write.steps.map(() => write))[step];
}
