import type { QueueConfig } from "../../local/broker/entities.ts";
import { LABELS } from "../../shared/jobs/job-identity.ts";
import { Ticking, USUAL_TICKS } from "../ticking.ts";
import { ABSENT_IMAGE, type Contender, IMAGE, RESOURCES, SLOTS, type Stage, TRIES } from "./contender.ts";
import type { Kind } from "./order.ts";

/** The queue of each kind. The broken template and the one that works share a queue, as modules may. */
const QUEUES = { work: "app-work", dying: "app-dying", broken: "app-mixed", good: "app-mixed" } as const;

/** The Dispatcher's queues, which are as its documentation wants them. */
export const DISPATCHER_QUEUES: readonly QueueConfig[] = [...new Set(Object.values(QUEUES))].map((name) => ({ name }));

/** Makes the texts of its module files, by their names. The workers report to a URL. */
export function moduleTexts(reportUrl: string): Record<Kind, string> {
  const module = (kind: Kind, more: object, image = IMAGE) => {
    const worker = { image, args: ["-report", reportUrl], resources: RESOURCES };
    return JSON.stringify({ name: kind, source: { queue: QUEUES[kind] }, maxActive: SLOTS[kind], worker, ...more });
  };
  return {
    work: module("work", {}),
    dying: module("dying", { retry: { maxAttempts: TRIES } }),
    broken: module("broken", { when: { subject: "broken" } }, ABSENT_IMAGE),
    good: module("good", { when: { subject: "good" } }),
  };
}

/** Starts the app with its default schedule and the images' flags, and resolves after its first tick. */
export async function startDispatcher({ servers, cluster }: Stage): Promise<Contender> {
  const ticking = new Ticking();
  const app = await servers.startApp({ schedule: USUAL_TICKS, onLine: ticking.take });
  await ticking.until(1);
  return {
    name: "Dispatcher",
    id: "app",
    pid: app.pid,
    account: { name: "dispatcher", namespace: cluster.namespace },
    brokenJobs: `${LABELS.module}=broken`,
    queueOf: (kind) => QUEUES[kind],
    stop: async () => void (await app.stop()),
  };
}
