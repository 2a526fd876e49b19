import { setTimeout as sleep } from "node:timers/promises";
import { audit, type Finding } from "../audit/audit.ts";
import { startStage } from "../stage/stage.ts";
import { makeScene } from "./scene.ts";
import { Script } from "./script.ts";
import type { Scenario } from "./twin.ts";

/** The shortest lock that the app accepts. */
const LOCK_MS = 5_000;
/** What is at rest has to be so twice: something may be due later. */
const REST_MS = 6_000;
const LOOK_MS = 500;
const STORY_MS = 120_000;

export interface Played {
  readonly findings: readonly Finding[];
  readonly seconds: number;
}

/**
 * Plays a scenario with a build of the app, and resolves to what the audit finds once everything is at rest, or the patience is over. Rejects
 * where the story can't be told to its end.
 */
export async function play(
  scenario: Scenario,
  app: string,
  patienceMs: number,
  onLine: (who: string, line: string) => void,
): Promise<Played> {
  const startedAt = performance.now();
  const script = new Script(() => stage.dispatchers);
  const deaths: string[] = [];
  const stage = await startStage({
    processes: scenario.processes ?? 2,
    lockMs: LOCK_MS,
    app,
    director: () => script,
    onLine,
    onDeath: (words) => deaths.push(words),
  });
  try {
    const scene = makeScene(stage, script);
    await inTime(scenario.play(scene));
    script.end();
    const look = async () => {
      const books = await scene.books();
      const found = [...audit(books), ...((await scenario.alsoFinds?.(scene, books)) ?? [])];
      return found.filter((finding) => scenario.forgives?.(finding, books) !== true);
    };
    const findings = [...(await atRest(look, patienceMs)), ...(await stage.leaks())];
    if (deaths.length > 0) throw new Error(`a Dispatcher ended by itself: ${deaths.join("\n")}`);
    return { findings, seconds: Math.round((performance.now() - startedAt) / 1000) };
  } finally {
    await stage.close();
  }
}

/** A call that a story waits for may never be made. */
async function inTime(story: Promise<void>): Promise<void> {
  const done = new AbortController();
  const late = sleep(STORY_MS, undefined, { signal: done.signal }).then(() => {
    throw new Error(`it came to no end within ${STORY_MS / 1000} s`);
  });
  await Promise.race([story, late]).finally(() => done.abort());
}

async function atRest(look: () => Promise<Finding[]>, patienceMs: number): Promise<Finding[]> {
  const deadline = performance.now() + patienceMs;
  let restingSince: number | undefined;
  for (;;) {
    const findings = await look();
    const now = performance.now();
    const isMoving = findings.some(({ verdict }) => verdict === "open" || verdict === "orphan");
    restingSince = isMoving ? undefined : (restingSince ?? now);
    if (now > deadline || (restingSince !== undefined && now - restingSince >= REST_MS)) return findings;
    await sleep(LOOK_MS);
  }
}
