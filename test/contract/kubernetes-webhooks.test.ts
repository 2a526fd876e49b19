import { describe, expect, test } from "vitest";
import { DeniedError, UnavailableError } from "../../shared/errors.ts";
import { clusterAt } from "../support/cluster-at.ts";
import { sendAnswer } from "../support/kubernetes-answer.ts";
import { startLoopbackServer } from "../support/loopback-server.ts";
import { buildJob } from "./job-harness.ts";

// `test/fixtures/kubernetes/README.md` says what the answers are.

const job = buildJob("one", "exit 0", {});
const name = job.metadata?.name ?? "";

/** A server that answers creates and changes with this answer, until it is told to let them pass. */
async function startServerWith(answer: string) {
  let isOver = false;
  const server = await startLoopbackServer(({ method }, response) => {
    if (method !== "GET" && !isOver) return sendAnswer(response, answer);
    return sendAnswer(response, method === "GET" ? "job" : "metadata");
  });
  return { server, end: () => void (isOver = true) };
}

interface Wanted {
  readonly answer: string;
  /** What the app makes of the answer to a create, and to a dry run of one. */
  readonly create: "refused" | "outage";
  /** What it makes of the answer to a change of a Job. */
  readonly change: "denied" | "outage";
}

const ANSWERS: readonly Wanted[] = [
  { answer: "webhook-denial", create: "refused", change: "denied" },
  { answer: "webhook-denial-with-an-id", create: "refused", change: "denied" },
  { answer: "webhook-denial-without-a-code", create: "refused", change: "denied" },
  { answer: "webhook-denial-without-an-explanation", create: "refused", change: "denied" },
  // A webhook may choose a code that has a meaning of its own. The Job doesn't exist for that, nor is it gone.
  { answer: "webhook-denial-as-already-exists", create: "refused", change: "denied" },
  { answer: "webhook-denial-as-not-found", create: "refused", change: "denied" },
  // These pass by themselves.
  { answer: "webhook-denial-403-retry-after", create: "outage", change: "outage" },
  { answer: "webhook-denial-429-retry-after", create: "outage", change: "outage" },
  { answer: "webhook-denial-503-retry-after", create: "outage", change: "outage" },
  { answer: "webhook-denial-500", create: "outage", change: "outage" },
  { answer: "webhook-unreachable", create: "outage", change: "outage" },
  { answer: "webhook-timeout", create: "outage", change: "outage" },
];

function kindOf(error: unknown): string {
  if (error instanceof DeniedError) return "denied";
  return error instanceof UnavailableError ? "outage" : `neither: ${String(error)}`;
}

describe.each(ANSWERS)("what the adapter makes of a webhook's answer: $answer", ({ answer, create, change }) => {
  test.each(["create", "tryCreate"] as const)(`takes it for this of a create: ${create} (%s)`, async (call) => {
    const cluster = clusterAt((await startServerWith(answer)).server);
    const outcome = await cluster[call](job).catch((error: unknown) => ({
      kind: kindOf(error),
      message: String(error),
    }));
    const message = expect.stringMatching(/denied the request|failed calling webhook/);
    expect(outcome).toMatchObject({ kind: create, message });
  });

  test(`takes it for this of a change: ${change}`, async () => {
    const cluster = clusterAt((await startServerWith(answer)).server);
    const changes = [cluster.retire(name, "u", 60, { end: false }), cluster.end(name, "u")];
    const outcomes = (await Promise.allSettled(changes)).map((one) =>
      one.status === "rejected" ? kindOf(one.reason) : "done",
    );
    expect(outcomes).toEqual([change, change]);
  });

  test("lets it rest no other request, whatever its header says", async () => {
    const { server, end } = await startServerWith(answer);
    const cluster = clusterAt(server);
    await cluster.create(job).catch(() => {});
    await cluster.retire(name, "u", 60, { end: false }).catch(() => {});
    end();
    expect(await cluster.create(job)).toEqual({ kind: "created", uid: "u" });
    await cluster.retire(name, "u", 60, { end: false });
    expect(await cluster.get(name)).toBeDefined();
  });
});

test("takes a 404 with a Retry-After for the absence of that Job alone", async () => {
  const server = await startLoopbackServer(({ url }, response) =>
    sendAnswer(response, url?.endsWith("/gone") === true ? "not-found-retry-after" : "job"),
  );
  const cluster = clusterAt(server);
  expect(await cluster.get("gone")).toBeUndefined();
  expect(await cluster.get("here")).toBeDefined();
});
