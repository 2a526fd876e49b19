import type { Finding } from "../audit/audit.ts";
import { buildApp } from "./build-app.ts";
import { guardPlaces } from "./edit.ts";
import { type Played, play } from "./run-twin.ts";
import { controlEdits, type Twin, twinEdits } from "./twin.ts";

/** How long the app may take to come to rest, and how long its twin, which may never. */
const CONTROL_PATIENCE_MS = 90_000;
const TWIN_PATIENCE_MS = 40_000;
const MOST_LISTED = 4;

/** Whether a guard is proven, with the reasons in words. */
export interface TwinOutcome {
  readonly holds: boolean;
  readonly text: string;
  /** How many things the audit found without the guard. */
  readonly found: number;
}

/** Plays a twin's story twice, with the guard and without. Proven is a guard with which nothing is found, and without which something is. */
export async function tryTwin(twin: Twin, onLine: (who: string, line: string) => void): Promise<TwinOutcome> {
  const run = async (which: string, app: string, patienceMs: number): Promise<Played | string> => {
    onLine("twins", `${twin.name}: ${which}`);
    try {
      return await play(twin.scenario, app, patienceMs, onLine);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  const control = await run("with the guard", await buildApp(controlEdits(twin)), CONTROL_PATIENCE_MS);
  const bare = await run("without it", await buildApp(twinEdits(twin)), TWIN_PATIENCE_MS);
  const controlHolds = typeof control !== "string" && control.findings.length === 0;
  const twinFails =
    typeof bare !== "string" && bare.findings.some(({ verdict }) => twin.finds.some((wanted) => wanted === verdict));
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
        : [`  expected     ${twin.finds.join(" or ")}: the guard is redundant, or the story too weak`]),
    ].join("\n"),
  };
}

function inWords(played: Played | string): string {
  if (typeof played === "string") return `the story broke off: ${played}`;
  const { findings, seconds } = played;
  const listed = findings.slice(0, MOST_LISTED).map(asLine);
  const more = findings.length > MOST_LISTED ? [`... and ${findings.length - MOST_LISTED} more`] : [];
  const what = findings.length === 0 ? "nothing found" : `${findings.length} found: ${[...listed, ...more].join("; ")}`;
  return `${what} (${seconds} s)`;
}

function asLine({ verdict, about, what }: Finding): string {
  return `${verdict}: ${about}: ${what}`;
}
