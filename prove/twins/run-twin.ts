import { setTimeout as sleep } from "node:timers/promises";
import { untilAtRest } from "../audit/at-rest.ts";
import { audit, type Finding } from "../audit/audit.ts";
import { startStage } from "../stage/stage.ts";
import type { Builds } from "./build-app.ts";
import { makeScene } from "./scene.ts";
import { Script } from "./script.ts";
import type { Scenario } from "./twin.ts";

/** How long the bus's locks last: the shortest time that the app accepts. */
const LOCK_MS = 5_000;
/** How long nothing may move before everything counts as at rest, because something may be due a little later. */
const REST_MS = 6_000;
/** How long a story may take. */
const STORY_MS = 120_000;

/** What the audit found after a story. */
export interface Played {
  readonly findings: readonly Finding[];
  readonly seconds: number;
}

/**
 * Plays a scenario with builds of the app, which the replicas run in turns. Resolves to what the audit finds when
 * everything is at rest, or when `patienceMs` are over. Rejects if the story does not come to its end, or if a replica
 * ends by itself.
 */
export async function play(
  scenario: Omit<Scenario, "story">,
  builds: Builds,
  patienceMs: number,
  onLine: (who: string, line: string) => void,
): Promise<Played> {
  const startedAt = performance.now();
  const script = new Script(() => stage.replicas);
  scenario.begin?.(script);
  const deaths: string[] = [];
  const stage = await startStage({
    replicas: scenario.replicas ?? 2,
    lockMs: LOCK_MS,
    ...builds,
    hasManyRows: scenario.hasManyRows ?? false,
    handler: () => script,
    ...(scenario.tickSeconds === undefined
      ? {}
      : { environmentOf: () => ({ RECONCILE_SCHEDULE: `*/${scenario.tickSeconds} * * * * *` }) }),
    onLine,
    onDeath: (words) => deaths.push(words),
  });
  try {
    const scene = makeScene(stage, script);
    await inTime(scenario.play(scene));
    script.end();
    const look = async () => {
      const records = await scene.records();
      const found = [...audit(records), ...((await scenario.alsoFinds?.(scene, records)) ?? [])];
      return { findings: found.filter((finding) => scenario.forgives?.(finding, records) !== true) };
    };
    const { findings } = await untilAtRest(look, { patienceMs, restMs: REST_MS });
    const leaks = await stage.leaks();
    if (deaths.length > 0) throw new Error(`a replica ended by itself: ${deaths.join("\n")}`);
    return { findings: [...findings, ...leaks], seconds: Math.round((performance.now() - startedAt) / 1000) };
  } finally {
    await stage.close();
  }
}

/** Rejects if a story takes too long, because a call that it waits for may never be made. */
async function inTime(story: Promise<void>): Promise<void> {
  const done = new AbortController();
  const late = sleep(STORY_MS, undefined, { signal: done.signal }).then(() => {
    throw new Error(`the story did not end within ${STORY_MS / 1000} s`);
  });
  await Promise.race([story, late]).finally(() => done.abort());
}
