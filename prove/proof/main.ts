import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { PROJECT_ROOT } from "../../local/stack/project-root.ts";
import { makePlan } from "../faults/plan.ts";
import { planMessages } from "../stage/kinds.ts";
import { readStormFlags } from "../storms/flags.ts";
import { proveStorms } from "../storms/prove-storms.ts";
import { buildApp } from "../twins/build-app.ts";
import { BY_FUNCTIONS_HOST, TICKS_UNSHARED } from "../twins/edit.ts";
import { buildRelease } from "./build-release.ts";
import { type ProofFlags, readProofFlags } from "./flags.ts";
import { summarise, summaryText } from "./report.ts";
import { runProof } from "./run-proof.ts";

// `npm run prove` kills and freezes several replicas at every call they make, and breaks the calls. Every message has
// to end exactly once. `npm run prove -- --storms` runs the storms, which take too long for CI.

/** How long the bus's locks last: the shortest time that the app accepts, because a freeze has to take longer. */
const LOCK_MS = 5_000;

/**
 * What the replicas run in turn: the app, which leaves its ticks to one replica, and a build in which no replica does.
 * So ticks meet all the time, and the lease of the ticks is under proof as well. Two of four settle deliveries as in
 * the Functions host, and two as in the standalone one. With `beside`, the last is an earlier release.
 */
const makeApps = async (beside?: string) =>
  [
    join(PROJECT_ROOT, "dist/functions/index.js"),
    await buildApp([TICKS_UNSHARED]),
    await buildApp([BY_FUNCTIONS_HOST]),
    await (beside === undefined ? buildApp([BY_FUNCTIONS_HOST, TICKS_UNSHARED]) : buildRelease(beside)),
  ] as const;
const randomSeed = () => Math.floor(Math.random() * 2 ** 32);

/** What the command line asks for: the proof, or its storms. */
function readArgs(args: readonly string[]): () => Promise<boolean> {
  if (!args.includes("--storms")) return prove.bind(undefined, readProofFlags(args, randomSeed));
  const flags = readStormFlags(args, randomSeed);
  return async () => proveStorms(flags, { apps: await makeApps(), lockMs: LOCK_MS });
}

async function prove(flags: ProofFlags): Promise<boolean> {
  const { seed, messages, kills, replicas } = flags;
  const plan = makePlan({ ...flags, lockMs: LOCK_MS });
  process.stderr.write(`seed ${seed}: ${messages} messages, ${replicas} replicas, ${kills} random kills and freezes\n`);
  if (flags.demandedEdges !== undefined) process.stderr.write(`faults are demanded on: ${plan.demanded.join(", ")}\n`);
  const log = flags.log === undefined ? undefined : createWriteStream(flags.log);
  const result = await runProof({
    ...flags,
    plan,
    messages: planMessages(seed, messages),
    lockMs: LOCK_MS,
    apps: await makeApps(flags.beside),
    onLine: (who, line) => log?.write(`${new Date().toISOString()} ${who}: ${line}\n`),
    onProgress: (text) => process.stderr.write(`${text}\n`),
  });
  const summary = summarise(result, seed, plan.demanded);
  process.stdout.write(`${flags.json ? JSON.stringify(summary, undefined, 2) : summaryText(summary)}\n`);
  return summary.holds;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));

const run = readArgs(process.argv.slice(2));
try {
  process.exitCode = (await run()) ? 0 : 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}
// Timers and sockets of calls that were cut off may still be open, and must not keep this process running.
process.exit();
