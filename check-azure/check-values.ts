import { createHash } from "node:crypto";

/** The queues and the subscription that the modules of the checks read. */
export const SOURCES = {
  /** A body is the exit code of its Job. */
  codes: { queue: "check-codes" },
  /** The same, by a topic. */
  events: { topic: "check-events", subscription: "codes" },
  /** A body is so large that its Job fetches it. */
  large: { queue: "check-large" },
  /** A body is how many seconds its Job takes, on a node of its own. */
  long: { queue: "check-long" },
  /** The messages are accepted, and no Job of them starts. */
  soak: { queue: "check-soak" },
} as const;

/** The body that a Job has to fetch. A Job gets bodies of up to 16 KiB in its own pod. */
export const LARGE_BODY = Buffer.alloc(100 * 1024, "dispatcher ");

/** Values of the chart, by section. */
export type Values = Readonly<Record<string, unknown>>;

/** Two replicas, so that one can be killed. */
const USUAL: Values = { scaling: { minReplicas: 2, maxReplicas: 3 } };

const EXIT_AS_TOLD = ["sh", "-c", 'exit "$(cat "$DISPATCHER_MESSAGE_FILE")"'];
const SLEEP_AS_TOLD = ["sh", "-c", 'sleep "$(cat "$DISPATCHER_MESSAGE_FILE")"'];
const FETCH_LARGE = `
  const response = await fetch(process.env.DISPATCHER_MESSAGE_URL);
  const body = Buffer.from(await response.arrayBuffer());
  const { createHash } = await import("node:crypto");
  const found = createHash("sha256").update(body).digest("hex");
  console.log(response.status, body.length, found);
  process.exit(found === "${createHash("sha256").update(LARGE_BODY).digest("hex")}" ? 0 : 1);
`;

/**
 * Gives the chart's values for the checks, with these sections in place of the usual ones. `image` is the image of their
 * Jobs, which has sh and Node.
 */
export function checkValues(image: string, changes: Values = {}): Values {
  const retry = { maxAttempts: 1 };
  return {
    ...USUAL,
    ...changes,
    modules: [
      { name: "codes", source: SOURCES.codes, retry, worker: { image, command: EXIT_AS_TOLD } },
      { name: "events", source: SOURCES.events, retry, worker: { image, command: EXIT_AS_TOLD } },
      {
        name: "large",
        source: SOURCES.large,
        retry,
        worker: { image, command: ["node", "--input-type=module", "--eval", FETCH_LARGE] },
      },
      {
        name: "long",
        source: SOURCES.long,
        retry,
        // A node of dev has 4 vCPU, a part of which AKS itself takes.
        worker: { image, command: SLEEP_AS_TOLD, resources: { requests: { cpu: "2" } } },
      },
      { name: "soak", source: SOURCES.soak, retry, maxActive: 0, worker: { image, command: EXIT_AS_TOLD } },
    ],
  };
}

/** Reads the image of the checks' Jobs out of the Dockerfile: the base of the app's own image, so that nodes have it. */
export function jobImage(dockerfile: string): string {
  const [, image] = /^ARG FUNCTIONS_BASE=(\S+)$/m.exec(dockerfile) ?? [];
  if (image === undefined) throw new Error("The Dockerfile has no FUNCTIONS_BASE. Name the base of its image so.");
  return image;
}
