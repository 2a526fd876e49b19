import pLimit from "p-limit";
import { befallsAll } from "../azure/storage-error.ts";
import type { Step } from "./transactions.ts";

/** Steps that are all done or none, and what each one's new ETag is. */
type Submit = (steps: readonly Step[]) => Promise<readonly string[]>;

interface Write {
  readonly steps: readonly Step[];
  readonly resolve: (etags: readonly string[]) => void;
  readonly reject: (error: unknown) => void;
}

/** The most that the service takes in one transaction. */
const MOST_STEPS = 100;
/** Of the writes of a group that was refused. */
const AGAIN_AT_ONCE = 4;

/**
 * Sends writes to one partition in one transaction where they come while another is on its way: a busy source then costs a fraction of the
 * requests, and a quiet one waits for nothing. To whoever writes it is as if each went alone: where the service refuses a group, for one row's
 * sake, its writes are sent again one by one. What befell the service befalls all of them.
 */
export function groupWrites(submit: Submit): Submit {
  const partitions = new Map<string, (write: Write) => void>();

  const toPartition = () => {
    const waiting: Write[] = [];
    const inTurn = pLimit(1);
    return (write: Write) => {
      waiting.push(write);
      // By its turn, an earlier one may have taken it along.
      void inTurn(() => sendGroup(takeGroup(waiting), submit));
    };
  };

  return (steps) =>
    new Promise((resolve, reject) => {
      const key = steps[0]?.row.partitionKey ?? "";
      const send = partitions.get(key) ?? toPartition();
      // As many as there are sources.
      partitions.set(key, send);
      send({ steps, resolve, reject });
    });
}

/** Takes what fits into one transaction, oldest first. No row may stand in one twice. */
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

/** Never rejects: each write is told what became of it. */
async function sendGroup(group: readonly Write[], submit: Submit): Promise<void> {
  const eachAlone = () =>
    pLimit(AGAIN_AT_ONCE).map(group, ({ steps, resolve, reject }) => submit(steps).then(resolve, reject));
  if (group.length < 2) {
    await eachAlone();
    return;
  }
  try {
    const etags = await submit(group.flatMap(({ steps }) => steps));
    let from = 0;
    for (const { steps, resolve } of group) {
      resolve(etags.slice(from, from + steps.length));
      from += steps.length;
    }
  } catch (error) {
    if (befallsAll(error)) for (const { reject } of group) reject(error);
    else await eachAlone();
  }
}
