import { setTimeout } from "node:timers/promises";
import { z } from "zod";

const answer = z.object({ ready: z.boolean(), dependencies: z.record(z.string(), z.string().nullable()) });

const EVERY_MS = 250;
const ASK_TIMEOUT_MS = 10_000;

/**
 * Asks the app until it is ready, for at most `limitMs`. Resolves to a line for each dependency that is wrong by then,
 * and to none if the app is ready.
 */
export async function untilReady(app: string, limitMs: number): Promise<string[]> {
  const until = Date.now() + limitMs;
  for (;;) {
    const problems = await ask(app);
    if (problems.length === 0 || Date.now() > until) return problems;
    await setTimeout(EVERY_MS);
  }
}

async function ask(app: string): Promise<string[]> {
  try {
    const response = await fetch(`${app}/api/health/ready`, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
    const { ready, dependencies } = answer.parse(await response.json());
    if (ready) return [];
    const problems = Object.entries(dependencies).flatMap(([name, problem]) =>
      problem === null ? [] : [`${name}: ${problem}`],
    );
    return problems.length > 0 ? problems : ["the reconciler has finished no tick for too long"];
  } catch (error) {
    return [`${app} does not answer, ${error instanceof Error ? error.message : String(error)}`];
  }
}
