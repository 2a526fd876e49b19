import { setTimeout as sleep } from "node:timers/promises";
import type { Browser } from "playwright-core";
import { z } from "zod";
import { startBrowser } from "../../local/kit/browser.ts";
import { heldMib, type Processes, spentMs } from "../processes.ts";
import type { Servers } from "../servers.ts";
import { Ticking, USUAL_TICKS } from "../ticking.ts";
import { pageLooks } from "./page-looks.ts";
import { type PageServer, startPageServer } from "./page-server.ts";

/** How often each look is asked for before it is measured, so that code and connections are warm. */
const WARM_UP = 10;
/** How long the app is watched with a view open, and how long without. */
export const WINDOW_MS = 60_000;
/** How often it is, at most. The ticks before have loaded all code. */
const MOST_WINDOWS = 3;

/** What the app spends while somebody looks, and what it holds then. Those of one turn are at the same place. */
interface Spent {
  readonly cpuMs: number[];
  readonly mib: number[];
}

/** What is known only with a browser. */
interface InBrowser {
  /** How long each visit took until something was painted. */
  readonly firstPaintMs: readonly number[];
  /** The app's process, with a view open and without. */
  readonly open: Spent;
  readonly shut: Spent;
}

export interface PageFigures {
  /** How long each look took over HTTP, from request to the whole answer. */
  readonly looks: readonly { readonly what: string; readonly ms: readonly number[] }[];
  /** Undefined if there is no browser on this machine. */
  readonly browser: InBrowser | undefined;
  /** MiB that the page's server held at the end. */
  readonly serverMib: number;
}

/** Measures the page beside a running app: its API, and if there is a browser, its first paint and what it costs. */
export async function measurePage(
  processes: Processes,
  servers: Servers,
  { calls, closed, rounds }: { readonly calls: number; readonly closed: number; readonly rounds: number },
  progress: (what: string) => void,
): Promise<PageFigures> {
  const said = new Ticking();
  const app = await servers.startApp({ schedule: USUAL_TICKS, onLine: said.take });
  await said.until(1);
  const server = await startPageServer(processes, servers.connections);
  const looks = await measureLooks(server, { calls, closed });
  const browser = await startBrowser().catch((error: unknown) => {
    progress(`left out what takes a browser: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  });
  const seen =
    browser && (await inBrowser(browser, server, app.pid, { calls, windows: Math.min(rounds, MOST_WINDOWS) }));
  const serverMib = await heldMib(server.pid);
  await server.stop();
  await app.stop();
  return { looks, browser: seen, serverMib };
}

const RUNS = z.object({ runs: z.array(z.object({ id: z.string() })).min(1) });
const LETTERS = z.object({ letters: z.array(z.object({ id: z.string() })).min(1) });

async function measureLooks(
  server: PageServer,
  { calls, closed }: { readonly calls: number; readonly closed: number },
): Promise<PageFigures["looks"]> {
  const lastOf = async (status: string) =>
    RUNS.parse(await server.ask(`/runs?status=${status}&limit=1000`)).runs.at(-1)?.id ?? "";
  const [letter] = LETTERS.parse(await server.ask("/dead-letters?limit=1")).letters;
  const ids = { working: await lastOf("dispatched"), waiting: await lastOf("waiting"), dead: letter?.id ?? "", closed };
  const looks: { what: string; ms: number[] }[] = [];
  for (const { what, path } of pageLooks(ids)) {
    const ms: number[] = [];
    for (let call = 0; call < WARM_UP + calls; call += 1) {
      const startedAt = performance.now();
      await server.ask(path());
      if (call >= WARM_UP) ms.push(performance.now() - startedAt);
    }
    looks.push({ what, ms });
  }
  return looks;
}

async function inBrowser(
  browser: Browser,
  server: PageServer,
  appPid: number,
  { calls, windows }: { readonly calls: number; readonly windows: number },
): Promise<InBrowser> {
  try {
    const firstPaintMs: number[] = [];
    for (let visit = 0; visit < calls; visit += 1) firstPaintMs.push(await firstPaint(browser, server));
    const [open, shut]: [Spent, Spent] = [
      { cpuMs: [], mib: [] },
      { cpuMs: [], mib: [] },
    ];
    for (let turn = 0; turn < windows; turn += 1) {
      await watch(appPid, shut);
      const context = await browser.newContext();
      await (await context.newPage()).goto(server.address);
      await watch(appPid, open);
      await context.close();
    }
    return { firstPaintMs, open, shut };
  } finally {
    await browser.close();
  }
}

/** Opens the page as one who was never there, and resolves to the ms until something was painted. */
async function firstPaint(browser: Browser, server: PageServer): Promise<number> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(server.address);
  await page.locator("h1").waitFor();
  const ms = await page.evaluate<number | undefined>(
    `performance.getEntriesByName("first-contentful-paint")[0]?.startTime`,
  );
  await context.close();
  return ms ?? Number.NaN;
}

async function watch(appPid: number, spent: Spent): Promise<void> {
  const before = await spentMs(appPid);
  await sleep(WINDOW_MS);
  spent.cpuMs.push((await spentMs(appPid)) - before);
  spent.mib.push(await heldMib(appPid));
}
