import { mkdir, writeFile } from "node:fs/promises";
import { hostname, userInfo } from "node:os";
import { isAbsolute, join, relative } from "node:path";
import type { Browser, Page } from "playwright-core";
import { startBrowser } from "../../local/kit/browser.ts";
import { makeCommand } from "../../shared/command-line.ts";
import { ROOT, runProgram } from "../support/run-program.ts";
import { textPicture } from "../support/text-picture.ts";
import { startAShop } from "./a-shop.ts";
import { type AStack, startAStack, viewOfRun, viewsOf } from "./a-stack.ts";

const COMMAND = makeCommand("npm run pictures --")
  .description("Makes the pictures of the README in docs/images, from what really runs.")
  .option("--all <directory>", "instead, makes a picture of each view of the page at each width, light and dark");
const { all } = COMMAND.parse().opts();

/** Where the pictures of the README are. */
const IMAGES = join(ROOT, "docs", "images");
const WIDTHS = [375, 768, 1_440];
const SCHEMES = ["light", "dark"] as const;

await (all === undefined ? makeOwn() : makeAll(all));

/** Makes the pictures of the README. */
async function makeOwn(): Promise<void> {
  await mkdir(IMAGES, { recursive: true });
  const demo = runProgram("cli", { args: ["demo"], env: { FORCE_COLOR: "1" } });
  if ((await demo.ended) !== 0) throw new Error(`the demo failed:\n${demo.said.stdout}${demo.said.stderr}`);
  await draw("demo.svg", "npm run demo", afterTheLast(demo.said.stdout, "\n\n", 2));
  const [shop, browser] = await Promise.all([startAShop(), startBrowser()]);
  try {
    const status = runProgram("cli", { args: ["status"], env: { ...shop.stack.settings, FORCE_COLOR: "1" } });
    await status.ended;
    await draw("status.svg", "dispatcher status", status.said.stdout);
    const page = { browser, address: new URL(await shop.serve("--act")), width: 1_440, scheme: "light" } as const;
    await photograph(page, { view: "" }, join(IMAGES, "now.png"));
    const failed = await viewOfRun(shop, "--closed", "--module", "invoice");
    await photograph(page, { view: failed }, join(IMAGES, "run.png"));
  } finally {
    await browser.close();
    await shop.stop();
  }
}

/** What is printed after the last but some of these separators. */
function afterTheLast(text: string, separator: string, parts: number): string {
  return text.trim().split(separator).slice(-parts).join(separator);
}

async function draw(file: string, command: string, printed: string): Promise<void> {
  await writeFile(join(IMAGES, file), textPicture(command, anonymous(printed)));
}

/** Leaves out whose machine this is. */
function anonymous(text: string): string {
  const host = hostname();
  // A short name may also be a part of an id.
  const alone = new RegExp(String.raw`(?<![\w-])${host.replaceAll(".", String.raw`\.`)}(?![\w-])`, "g");
  return text
    .replaceAll(`${userInfo().username}@${host}`, "ada@desk")
    .replaceAll(alone, "dispatcher-0")
    .replaceAll(ROOT, ".");
}

/** Makes a picture of each view at each width, light and dark, to be looked at. */
async function makeAll(directory: string): Promise<void> {
  if (!isAbsolute(directory) || !relative(ROOT, directory).startsWith(".."))
    throw new Error(`Give the absolute path of a directory outside of the project, and not ${directory}`);
  await mkdir(directory, { recursive: true });
  const [stack, browser] = await Promise.all([startAStack(), startBrowser()]);
  try {
    const address = new URL(await stack.serve("--act"));
    await fill(stack);
    const views = (await viewsOf(stack)).map((view) => ({ view }));
    for (const scene of [...views, ...(await scenes(stack))])
      for (const width of WIDTHS)
        for (const scheme of SCHEMES) {
          const file = `${nameOf(scene)}-${width}-${scheme}.png`;
          await photograph({ browser, address, width, scheme }, scene, join(directory, file));
        }
  } finally {
    await browser.close();
    await stack.stop();
  }
}

/** Does what a person may do, so that the views have it to show. */
async function fill({ dispatcher }: AStack): Promise<void> {
  await dispatcher("modules", "limit", "slow", "1", "--for", "4h", "--why", "the disk is nearly full");
  await dispatcher("modules", "pause", "idle");
}

/** A view, and what a person does there before the picture is made. */
interface Scene {
  readonly view: string;
  readonly name?: string;
  act?(page: Page): Promise<void>;
}

function nameOf({ view, name }: Scene): string {
  return name ?? (view.replaceAll(/%\w\w/g, "-").replaceAll(/\W+/g, "-").slice(0, 40) || "now");
}

/** What only shows once a person has done something. */
async function scenes(stack: AStack): Promise<Scene[]> {
  const slow = await viewOfRun(stack, "--module", "slow");
  const click = async (page: Page, ...names: readonly string[]) => {
    for (const name of names) await page.getByRole("button", { name }).last().click();
  };
  return [
    {
      view: slow,
      name: "do-job",
      async act(page) {
        await click(page, "Show the Job and its events", "Show body and properties");
        await page.getByRole("group", { name: "Body" }).waitFor();
        await page.getByRole("group", { name: "The Job" }).waitFor();
      },
    },
    {
      view: "runs?module=many",
      name: "do-select",
      async act(page) {
        await page.getByRole("checkbox", { name: "Select all shown" }).check();
      },
    },
    {
      view: "runs?module=many",
      name: "do-cancel",
      async act(page) {
        await page.getByRole("checkbox", { name: "Select all shown" }).check();
        await click(page, "Select all that match", "Cancel 130 runs");
        await page.getByText("Would be done").waitFor();
      },
    },
    {
      view: "failures",
      name: "do-purge",
      async act(page) {
        await page.getByRole("button", { name: "Purge the group" }).first().click();
        await page.getByText("to go on").waitFor();
      },
    },
    { view: "", name: "do-keys", act: (page) => page.keyboard.press("?") },
  ];
}

interface Looking {
  readonly browser: Browser;
  readonly address: URL;
  readonly width: number;
  readonly scheme: (typeof SCHEMES)[number];
}

/** Makes a picture of all that the view has, however long it is. */
async function photograph({ browser, address, width, scheme }: Looking, scene: Scene, path: string): Promise<void> {
  const context = await browser.newContext({ viewport: { width, height: 480 }, colorScheme: scheme });
  try {
    const page = await context.newPage();
    await page.route("**/api/v1/**", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: anonymous(await response.text()) });
    });
    await page.goto(new URL(`/api/ui/${scene.view}`, address).href + address.hash);
    await page.locator("h1").waitFor();
    await page.locator(".loading").first().waitFor({ state: "detached" });
    await scene.act?.(page);
    // A dialog stands in the middle of the window.
    if (await page.locator("dialog").count()) await page.setViewportSize({ width, height: 900 });
    await page.screenshot({ path, fullPage: (await page.locator("dialog").count()) === 0 });
    // The page asks on while it is closed.
    await page.unrouteAll({ behavior: "ignoreErrors" });
  } finally {
    await context.close();
  }
}
