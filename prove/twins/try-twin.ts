import { mayPass } from "../audit/at-rest.ts";
import type { Finding } from "../audit/audit.ts";
import { type Builds, buildBoth } from "./build-app.ts";
import { guardPlaces } from "./edit.ts";
import { type Played, play } from "./run-twin.ts";
import { controlEdits, type Twin, twinEdits } from "./twin.ts";

/** How long the app may take to come to rest. */
export const PATIENCE_MS = 90_000;
/** How long a twin may take if it goes wrong in a way that does not pass. It may never come to rest. */
const SHORT_PATIENCE_MS = 40_000;
const MOST_LISTED = 4;

/** The result of a twin. */
export interface TwinOutcome {
  /** Whether the guard is needed and holds. */
  readonly holds: boolean;
  /** The result for people, with the reasons. */
  readonly text: string;
  /** How many things the audit found without the guard. */
  readonly found: number;
}

/** Tells how long a twin may take to come to rest: as long as the app, if what it shows might pass by itself. */
export function twinPatienceMs({ finds }: Pick<Twin, "finds">): number {
  return finds.some(mayPass) ? PATIENCE_MS : SHORT_PATIENCE_MS;
}

/**
 * Plays a twin's story with the guard and without it. The guard is proven if the audit finds something only without it.
 */
export async function tryTwin(twin: Twin, onLine: (who: string, line: string) => void): Promise<TwinOutcome> {
  const runOnce = async (which: string, builds: Builds, patienceMs: number): Promise<Played | string> => {
    onLine("twins", `${twin.name}: ${which}`);
    try {
      return await play(twin.scenario, builds, patienceMs, onLine);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  // A story that broke off says nothing of the guard: on a busy machine a process may come too late for it.
  const run = async (...asked: Parameters<typeof runOnce>) => {
    const first = await runOnce(...asked);
    return typeof first === "string" ? runOnce(...asked) : first;
  };
  const control = await run("with the guard", await buildBoth(controlEdits(twin)), PATIENCE_MS);
  const bare = await run("without it", await buildBoth(twinEdits(twin)), twinPatienceMs(twin));
  const controlHolds = typeof control !== "string" && control.findings.length === 0;
  const twinFails =
    typeof bare !== "string" && bare.findings.some(({ kind }) => twin.finds.some((wanted) => wanted === kind));
  const holds = controlHolds && twinFails;
  const places = await guardPlaces();
  return {
    holds,
    found: typeof bare === "string" ? 0 : bare.findings.length,
    text: [
      `${holds ? "PASS" : "FAIL"}  ${twin.name}: ${twin.guard}`,
      ...twin.removal.map(({ guard }) => `  taken out    ${places.get(guard)?.file ?? ""}, below "// guard: ${guard}"`),
      `  story        ${twin.scenario.story}`,
      `  with it      ${inWords(control)}`,
      `  without it   ${inWords(bare)}`,
      ...(twinFails
        ? []
        : [`  expected     ${twin.finds.join(" or ")}: the guard is not needed, or the story is too weak`]),
    ].join("\n"),
  };
}

function inWords(played: Played | string): string {
  if (typeof played === "string") return `the story broke off (${played})`;
  const { findings, seconds } = played;
  const listed = findings.slice(0, MOST_LISTED).map(asLine);
  const more = findings.length > MOST_LISTED ? [`... and ${findings.length - MOST_LISTED} more`] : [];
  const what = findings.length === 0 ? "nothing found" : `${findings.length} found: ${[...listed, ...more].join("; ")}`;
  return `${what} (${seconds} s)`;
}

function asLine({ kind, about, what }: Finding): string {
  return `${kind}: ${about}: ${what}`;
}
