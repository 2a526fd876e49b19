import { describe, expect, it } from "vitest";
import { aModule } from "../../support/a-module.ts";
import type { MessageToSend } from "../../support/fake-entity.ts";
import { FATES, type Fate, makeMortal } from "../../support/mortal.ts";
import { type Host, makeWorld, RETRY, SOURCE, type World } from "../../support/world.ts";

type JobEnd = "succeed" | "fail" | "permanent" | "evict" | "stick" | "cancel" | "vanish";

interface Scenario {
  readonly name: string;
  readonly message?: MessageToSend;
  /** How the Job of each attempt ends. */
  readonly jobs: readonly JobEnd[];
  readonly quota?: true;
  /** How the message ends: `completed`, or the dead letter's reason. */
  readonly end: string;
}

const SCENARIOS: readonly Scenario[] = [
  { name: "a Job that succeeds", jobs: ["succeed"], end: "completed" },
  { name: "a large body", message: { body: "x".repeat(20_000) }, jobs: ["fail", "succeed"], end: "completed" },
  { name: "an eviction, a failure and a permanent exit code", jobs: ["evict", "fail", "permanent"], end: "JobFailed" },
  { name: "an image that is missing", jobs: ["stick", "stick"], end: "JobNotStarted" },
  { name: "a cancelled Job", jobs: ["cancel"], end: "Cancelled" },
  { name: "a deleted Job", jobs: ["vanish", "succeed"], end: "completed" },
  { name: "a full quota", jobs: ["succeed"], quota: true, end: "completed" },
  { name: "a message that fits no module", message: { subject: "other" }, jobs: [], end: "DispatchRejected" },
];

const TURN_MS = 30_000;

/** Makes a function that does what happens outside of the Dispatcher in half a minute. */
function makeOutside(world: World, { jobs }: Scenario): () => void {
  const judged = new Set<string>();
  return () => {
    world.clock.advance(TURN_MS);
    for (const name of world.cluster.names()) {
      const end = jobs[Number(world.cluster.job(name).metadata?.labels?.["ion/attempt"]) - 1];
      // A Job that is deleted before a row names it leaves no trace, and its name is free again.
      const isUnknown = world.open()[0]?.jobName !== name;
      if (judged.has(name) || (end === "vanish" && isUnknown)) continue;
      judged.add(name);
      if (end === undefined || world.cluster.job(name).status?.active !== 1) continue;
      if (end !== "stick") world.cluster.run(name);
      ACTIONS[end](world, name);
    }
  };
}

const ACTIONS: Record<JobEnd, (world: World, name: string) => void> = {
  succeed: (world, name) => world.cluster.succeed(name),
  fail: (world, name) => world.cluster.fail(name),
  permanent: (world, name) => world.cluster.fail(name, 64),
  evict: (world, name) => world.cluster.evict(name),
  stick: (world, name) => world.cluster.stick(name),
  cancel: (world, name) => world.cluster.cancel(name),
  vanish: (world, name) => world.cluster.deleteJob(name),
};

/** Lets a replica do what the host asks of it, for at most `most` turns, or until `quiet` turns had nothing open. */
async function live(
  world: World,
  replica: Pick<World, "accept" | "tick">,
  outside: () => void,
  turns: { readonly most: number; readonly quiet: number },
): Promise<void> {
  let quiet = 0;
  for (let turn = 0; turn < turns.most && quiet <= turns.quiet; turn += 1) {
    outside();
    const delivery = world.broker.redeliver(SOURCE);
    if (delivery) await replica.accept(delivery);
    // The host only logs what a tick throws.
    await replica.tick().catch(() => undefined);
    quiet = world.open().length === 0 && world.closed().length > 0 ? quiet + 1 : 0;
  }
}

/** Counts how often each Job is really created. */
function countCreated(world: World): Map<string, number> {
  const created = new Map<string, number>();
  const create = world.cluster.create.bind(world.cluster);
  world.cluster.create = async (job) => {
    const outcome = await create(job);
    const name = job.metadata?.name ?? "";
    if (outcome.kind === "created") created.set(name, (created.get(name) ?? 0) + 1);
    return outcome;
  };
  return created;
}

/** Plays a scenario with a replica, one of whose calls meets `fate`, and then to its end with a second replica. */
async function play(scenario: Scenario, host: Host, fate?: { readonly kind: Fate; readonly at: number }) {
  const retry = { ...RETRY, maxAttempts: 2 };
  const when = scenario.jobs.length === 0 ? { when: { subject: "mine" } } : {};
  const world = makeWorld([aModule({ retry, ...when })], {}, host);
  const created = countCreated(world);
  if (scenario.quota) world.cluster.quotaNext();
  const outside = makeOutside(world, scenario);
  const { ports, calls } = makeMortal(
    world.deps,
    fate && {
      ...fate,
      overtake: () => live(world, world, outside, { most: 1, quiet: 1 }),
      sleep: () => live(world, world, outside, { most: 20, quiet: 20 }),
    },
  );
  world.broker.send(SOURCE, { messageId: "m-1", ...scenario.message });
  await live(world, world.makeReplica(ports), outside, { most: 20, quiet: 0 });
  const callsToTheEnd = [...calls];
  await live(world, world, outside, { most: 40, quiet: 3 });
  return { world, created, calls: callsToTheEnd };
}

function outcomeOf({ world, created }: Awaited<ReturnType<typeof play>>) {
  const { letter, state } = world.message(1);
  const isOurBug = ({ level, stack }: Record<string, unknown>) =>
    level === "error" && typeof stack === "string" && !stack.includes("the replica is dead");
  return {
    end: letter?.reason ?? state,
    open: world.open().length,
    closed: world.closed().length,
    jobs: created.size,
    startedTwice: [...created].filter(([, times]) => times > 1).map(([name]) => name),
    unretired: world.cluster
      .names()
      .filter((name) => world.cluster.job(name).metadata?.labels?.["ion/retired"] !== "true"),
    bodies: world.payloads.bodies.size,
    bugs: world.lines.filter(isOurBug).map(({ stack }) => stack),
  };
}

describe("whatever happens to a replica at any of its calls, the message ends once, and no Job is started twice", () => {
  // The hosts differ only until the message is deferred or dead-lettered by its delivery.
  const shortest = SCENARIOS.filter(({ jobs, message }) => jobs.length < 2 && (message || jobs[0] === "succeed"));
  const cases = [
    ...SCENARIOS.map((scenario) => ({ ...scenario, host: "with a link" as const })),
    ...shortest.map((scenario) => ({ ...scenario, host: "without a link" as const })),
  ];
  it.each(cases)("with $name, in a host $host", { timeout: 300_000 }, async ({ host, ...scenario }) => {
    const undisturbed = await play(scenario, host);
    const want = outcomeOf(undisturbed);
    expect(want).toEqual({
      end: scenario.end,
      open: 0,
      closed: 1,
      jobs: scenario.jobs.length,
      startedTwice: [],
      unretired: [],
      bodies: 0,
      bugs: [],
    });
    for (const kind of FATES)
      for (const [at, call] of undisturbed.calls.entries()) {
        // If the operator deleted the Job, the create of a replica that slept meets no tombstone and makes it again.
        // The row then tells that replica to end the Job.
        const isUnguarded = scenario.jobs.includes("vanish") && kind.endsWith("before") && call === "cluster.create";
        const outcome = outcomeOf(await play(scenario, host, { kind, at }));
        const seen = isUnguarded ? { ...outcome, startedTwice: [] } : outcome;
        expect(seen, `the replica ${kind} call ${at}, ${call}`).toEqual(want);
      }
  });
});
