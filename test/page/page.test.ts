import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import axe, { type AxeResults } from "axe-core";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { startBrowser } from "../../local/kit/browser.ts";
import { ROOT } from "../support/run-program.ts";
import { type AStack, HOSTILE_ID, otherOf, runOf, startAStack, viewOfRun, viewsOf } from "./a-stack.ts";

// The page in a real browser, on a stack of this machine.

let stack: AStack;
let browser: Browser;
/** The page's address of a server that acts, and of one that only looks. */
let acting: URL;
let looking: URL;
const contexts: BrowserContext[] = [];

beforeAll(async () => {
  [stack, browser] = await Promise.all([startAStack(), startBrowser()]);
  acting = new URL(await stack.serve("--act"));
  looking = new URL(await stack.serve());
});
afterEach(async () => {
  for (const context of contexts.splice(0)) await context.close();
});
afterAll(async () => {
  await browser?.close();
  await stack?.stop();
});

/** What a browser complained of, and the servers that the page asked. */
interface Watched {
  readonly page: Page;
  readonly complaints: string[];
  readonly origins: Set<string>;
}

/** Opens a view, such as `runs?module=good`. */
async function open(view = "", options: BrowserContextOptions = {}, at = acting): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1_440, height: 900 }, ...options });
  contexts.push(context);
  // A script that the browser itself brings, and not the page's.
  await context.addInitScript({ content: axe.source });
  const page = await context.newPage();
  const complaints: string[] = [];
  const origins = new Set<string>();
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => origins.add(new URL(request.url()).origin));
  await page.goto(new URL(`/api/ui/${view}`, at).href + at.hash);
  await page.locator("h1").waitFor();
  await page.locator(".loading").first().waitFor({ state: "detached" });
  return { page, complaints, origins };
}

async function seriousFaults(page: Page): Promise<string[]> {
  const { violations, passes } = await page.evaluate<AxeResults>("axe.run()");
  expect(passes.length).toBeGreaterThan(10);
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary ?? ""}`));
}

describe("every view", () => {
  it.each([
    { width: 375, colorScheme: "light" },
    { width: 768, colorScheme: "dark" },
    { width: 1_440, colorScheme: "light" },
    { width: 1_440, colorScheme: "dark" },
  ] as const)(
    "fits, can be read by all, and asks no other server: $width px, $colorScheme",
    async ({ width, colorScheme }) => {
      for (const view of await viewsOf(stack)) {
        const { page, complaints, origins } = await open(view, { colorScheme, viewport: { width, height: 900 } });
        const over = await page.evaluate(`
          const main = document.querySelector("main");
          const right = main.getBoundingClientRect().right - Number.parseFloat(getComputedStyle(main).paddingRight);
          Math.max(0, ...[...main.children].map((part) => Math.floor(part.getBoundingClientRect().right - right)))`);
        expect({ view, over }).toEqual({ view, over: 0 });
        expect({ view, faults: await seriousFaults(page) }).toEqual({ view, faults: [] });
        expect({ view, complaints, origins: [...origins] }).toEqual({ view, complaints: [], origins: [acting.origin] });
        expect(await page.title()).not.toBe("owned");
        await page.close();
      }
    },
    240_000,
  );

  it("weighs 40 KB at most, all together", async () => {
    const files = ["index.html", "page.css", "page.js", "icon.svg"];
    const sizes = await Promise.all(
      files.map(async (file) => gzipSync(await readFile(join(ROOT, "dist", "ui", file))).length),
    );
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(40 * 1_024);
  });
});

describe("a view", () => {
  it("shows what ended in the last hour, and how many in a minute", async () => {
    const { page } = await open();
    const row = page.locator("[data-row]", { has: page.getByRole("link", { name: "good", exact: true }) });
    await row.getByRole("img", { name: /^\d\d:\d\d: 6 done, 0 failed$|; / }).waitFor();
    await row.getByText(/^\d+(\.\d)? ended a minute$/).waitFor();
    const waits = page.locator("[data-row]", { has: page.getByRole("link", { name: "many", exact: true }) });
    expect(await waits.getByRole("img").count()).toBe(0);
  });

  it("says of a paused module until when, by whom and why, and not how long its line takes", async () => {
    await stack.dispatcher("modules", "pause", "good", "--for", "1h", "--why", "the supplier is <b>down</b>");
    const { page } = await open();
    const row = page.locator("[data-row]", { has: page.getByRole("link", { name: "good", exact: true }) });
    await row
      .getByText(/^until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, by \S+, .* ago: the supplier is <b>down<\/b>$/)
      .waitFor();
    await stack.send("good", 2);
    const line = row.locator('[data-head="In line"]');
    await expect.poll(() => line.textContent(), { timeout: 30_000 }).toMatch(/^\s*2\s*$/);
    await stack.dispatcher("modules", "resume", "good");
    await row.getByText("the supplier is").waitFor({ state: "detached" });
    await page.goto(new URL("/api/ui/actions", acting).href);
    await page.getByText(/^until \d{4}-/).waitFor();
    expect(await page.locator("main").textContent()).not.toContain("until=");
  });

  it("lists what a person cancelled apart from what failed, and counts it as no failure", async () => {
    await stack.send("idle", 1, "--id", "given-up");
    await expect.poll(() => runOf(stack, "--message-id", "given-up")).toMatch(/^idle:\d+:\d+$/);
    await stack.dispatcher("runs", "cancel", "given-up");
    await stack.dispatcher("runs", "wait", "given-up", "--timeout", "60s");
    const { page } = await open();
    const row = page.locator("[data-row]", { has: page.getByRole("link", { name: "idle", exact: true }) });
    expect(await row.locator('[data-head="Failed"]').textContent()).toMatch(/^\s*0\s*$/);
    await page.goto(new URL("/api/ui/failures", acting).href);
    await page.getByRole("region", { name: "Cancelled by a person" }).getByText("idle · Cancelled").waitFor();
    expect(await page.locator(".groups").first().textContent()).not.toContain("Cancelled");
    expect(await seriousFaults(page)).toEqual([]);
  });

  it("lists what a search found with module, status and the message's id", async () => {
    const { page } = await open("search?id=order-7");
    await page.getByText("5 runs have this correlation id.").waitFor();
    const heads = await page.locator("thead th").allTextContents();
    expect(heads).toEqual(["Run", "Module", "Status", "Message id", "Enqueued"]);
    expect(await page.locator("[data-row]").first().textContent()).toMatch(/good.*succeeded/);
  });

  it("goes on with a search that found more runs than a page has", async () => {
    const accepted = () => stack.dispatcher("runs", "ls", "--module", "many", "--limit", "1000", "--output", "name");
    await expect.poll(async () => (await accepted()).trim().split("\n"), { timeout: 30_000 }).toHaveLength(130);
    const { page } = await open("search?id=bulk");
    await page.getByText("Many runs have this correlation id.").waitFor();
    const rows = page.locator("[data-row]");
    expect(await rows.count()).toBe(100);
    await page.getByRole("link", { name: "Next page" }).click();
    await expect.poll(() => rows.count(), { timeout: 10_000 }).toBe(30);
    expect(new URL(page.url()).pathname).toBe("/api/ui/search");
    await page.getByRole("link", { name: "First page" }).click();
    await expect.poll(() => rows.count(), { timeout: 10_000 }).toBe(100);
  });

  it("says what runs at work wrote last", async () => {
    const { page } = await open("runs?module=slow");
    const lines = page.locator("[data-row]").getByText("begun", { exact: true });
    await expect.poll(() => lines.count(), { timeout: 30_000 }).toBe(2);
    expect(
      await page
        .locator("[data-row]")
        .getByText(/^\s*at work for/)
        .count(),
    ).toBe(2);
  });

  it("of a run begins with the id of its message, and says each thing once", async () => {
    const { page } = await open(await viewOfRun(stack, "--message-id", "good-1"));
    const id = await runOf(stack, "--message-id", "good-1");
    expect(await page.locator("h1").textContent()).toBe(`good-1${id}`);
    expect(await page.title()).toBe(`${id} · Dispatcher`);
    await page.getByRole("heading", { name: "How it ended" }).waitFor();
    expect(await page.locator("dt").allTextContents()).not.toContain("Verdict");
  });

  it("of a module begins with its source, slots, attempts and time limit", async () => {
    const { page } = await open("modules/slow");
    const facts = await page.locator(".facts div").allTextContents();
    expect(facts.slice(0, 3)).toEqual(["Sourceslow", "Takesevery message", "Slots2"]);
  });

  it("stays where it is under the pointer if a row is selected", async () => {
    const { page } = await open("runs?module=slow");
    const box = page.locator("[data-row] input").first();
    const before = await box.boundingBox();
    await box.check();
    await page.getByText("1 selected").waitFor();
    expect(await box.boundingBox()).toEqual(before);
  });

  it("shows the Job as the cluster has it, and its events, once a person asks", async () => {
    const { page } = await open(await viewOfRun(stack, "--module", "slow"));
    await page.getByRole("button", { name: "Show the Job and its events" }).click();
    const job = page.getByRole("group", { name: "The Job" });
    await job.waitFor();
    expect(await job.textContent()).toMatch(/^apiVersion: batch\/v1\nkind: Job\n/);
    expect(await page.getByRole("list", { name: "Events" }).textContent()).toMatch(
      /Job slow-\S+: SuccessfulCreate: Created pod: slow-/,
    );
    expect(await page.getByText("--job").textContent()).toMatch(/^dispatcher runs show slow:\d+:\d+ --job$/);
    expect(await seriousFaults(page)).toEqual([]);
  });
});

describe("what a run waits for", () => {
  it("is said by the time that it is, also if the answer is the same", async () => {
    const { page } = await open("modules");
    let asked = 0;
    await page.route("**/explanation", async (route) => {
      asked += 1;
      if (asked > 1) return route.fulfill({ status: 304 });
      const response = await route.fetch();
      const usually = { count: 5, medianMs: 1_000, p95Ms: 2_000 };
      return route.fulfill({ response, json: { ...(await response.json()), usually } });
    });
    const view = await viewOfRun(stack, "--module", "slow", "--status", "running");
    await page.goto(new URL(`/api/ui/${view}`, page.url()).href);
    const created = page.getByText(/created .* ago/).first();
    const before = await created.textContent();
    await expect.poll(() => created.textContent(), { timeout: 15_000 }).not.toBe(before);
  });
});

describe("a number of messages that no module takes", () => {
  it("leads to these alone", async () => {
    const { page } = await open("audit");
    await page.route("**/api/v1/status", async (route) => {
      const response = await route.fetch();
      const status = await response.json();
      const [first] = status.modules;
      await route.fulfill({
        response,
        json: { ...status, modules: [{ ...first, module: "", held: { count: 7, isMore: false } }] },
      });
    });
    await page.getByRole("link", { name: "Now" }).click();
    await page.locator("[data-row]").getByRole("link", { name: "7", exact: true }).click();
    await page.waitForURL(/module=-&status=held/);
    await page.getByText("There are no such runs").waitFor();
    expect(await page.getByLabel("Module").inputValue()).toBe("-");
  });
});

describe("a filter", () => {
  it("keeps what a person types while the list is read again, and holds once the person pauses", async () => {
    const { page } = await open("runs");
    const box = page.getByLabel("Module");
    await box.pressSequentially("slo", { delay: 20 });
    await page.waitForURL(/module=slo$/);
    // The list is read several times.
    await page.waitForTimeout(5_000);
    expect(await box.inputValue()).toBe("slo");
    await box.pressSequentially("w");
    await box.press("Enter");
    await page.waitForURL(/module=slow/);
    await page.locator("[data-row]").first().waitFor();
    expect(await page.locator("[data-row]").count()).toBe(3);
    expect(await page.locator("#offers-module option").count()).toBe(8);
  });

  it("of time takes what the command takes, and says what is wrong with anything else", async () => {
    const { page } = await open("runs?which=closed&module=good");
    await page.getByLabel("Enqueued since").fill("2h");
    await page.waitForURL(/since=2h$/);
    await page.locator("[data-row]").first().waitFor();
    await page.getByLabel("Enqueued until").fill("soon");
    await page.getByText("Give a duration such as 2h or 3d, today, yesterday, or a time").waitFor();
    await page.getByLabel("Enqueued until").fill("2h");
    await page.getByText("nothing can be between since and until").waitFor();
    await page.getByLabel("Enqueued until").fill("1h");
    await page.getByText("There are no such runs").waitFor();
    await page.getByLabel("Enqueued until").fill("");
    await page.locator("[data-row]").first().waitFor();
    expect(await seriousFaults(page)).toEqual([]);
  });

  it("of the exit code lists what ended with it, and lets nobody act on more than that", async () => {
    const { page } = await open("dead-letters?module=worse");
    const all = (verb: string) => page.getByRole("button", { name: `${verb} all that match` });
    await all("Purge").waitFor();
    await page.getByLabel("Exit code").fill("4");
    await page.waitForURL(/exitCode=4$/);
    await page.getByText(/^4 shown/).waitFor();
    expect(await all("Purge").count()).toBe(0);
    await all("Redrive").click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("worse: 4 can be redriven.").waitFor();
    expect(await dialog.locator("code").textContent()).toBe("dispatcher dead redrive --exit-code=4 --module=worse");
    await dialog.getByRole("button", { name: "Leave it" }).click();
    await page.getByRole("checkbox").nth(1).check();
    await page.getByRole("button", { name: "Redrive the message" }).waitFor();
    await page.getByLabel("Exit code").fill("5");
    await page.getByText("There are no such dead letters").waitFor();
    await page.goto(new URL("/api/ui/runs?exitCode=4", acting).href);
    await page.getByText(/^4 shown/).waitFor();
    await page.locator(".filters select").first().selectOption("");
    await page.waitForURL((url) => !url.search.includes("exitCode"));
    expect(await page.getByLabel("Exit code").count()).toBe(0);
  });

  it("of the status offers those alone that the runs of the list can have", async () => {
    const { page } = await open("runs?which=closed&status=failed");
    const words = () => page.getByLabel("Status").locator("option").allTextContents();
    expect(await words()).toEqual(["any", "succeeded", "failed", "rejected", "cancelled", "lost", "withdrawn"]);
    await page.locator(".filters select").first().selectOption("");
    await page.waitForURL((url) => !url.search.includes("status"));
    expect(await words()).not.toContain("failed");
    expect(await page.getByLabel("Status").inputValue()).toBe("");
  });
});

describe("what others wrote", () => {
  it("is shown as text: an id, a log line, a body", async () => {
    const { page, complaints } = await open(await viewOfRun(stack, "--message-id", HOSTILE_ID));
    const log = page.getByLabel("Log of main");
    await log.waitFor();
    const said = await log.textContent();
    expect(said).toContain('<script>document.title="owned"</script>');
    expect(said).toContain("␛[2Jcleared");
    expect(said).toContain("\\u{202e}turned <b>around</b>");
    expect(said).toContain("x".repeat(10_000));
    expect(await page.locator("main script, main img, main b").count()).toBe(0);
    expect(await page.locator("main").textContent()).toContain("m-␛[31m\\u{202e}-<img src=x");
    expect([await page.title(), complaints]).toEqual([expect.not.stringContaining("owned"), []]);
  });

  it.each([
    { what: "a run at work", view: () => viewOfRun(stack, "--module", "slow") },
    { what: "a dead letter", view: () => viewOfRun(stack, "--message-id", HOSTILE_ID) },
    { what: "a letter of others", view: () => otherOf(stack) },
  ])("is not shown before a person asks for it, and then as text: the body of $what", async ({ view }) => {
    const { page } = await open(await view());
    await page.getByText("Show body and properties").waitFor();
    expect(await page.content()).not.toContain("secret");
    await page.getByText("Show body and properties").click();
    const body = page.getByLabel("Body", { exact: true });
    await body.waitFor();
    expect(await body.textContent()).toContain("<script>document.title='owned'");
    expect(await page.locator("main script, main img, main b").count()).toBe(0);
    expect(await page.title()).not.toContain("owned");
    expect(await seriousFaults(page)).toEqual([]);
  });
});

describe("a letter of others", () => {
  it("is reached from the dead letters, says what becomes of it, and is not polled for", async () => {
    const { page, complaints } = await open("dead-letters");
    await page.getByRole("link", { name: "Dead letters of others" }).click();
    const row = page.locator("[data-row]", { hasText: "must have required property 'name'" });
    expect(await row.textContent()).toContain("<img src=x");
    expect(await page.locator("[data-row]").count()).toBe(1);
    await row.getByRole("link").click();
    await page.getByText("Show body and properties").waitFor();
    // Its body breaks the schema, so that nothing is offered.
    expect(await page.getByRole("button", { name: "Redrive" }).count()).toBe(0);
    expect([await page.locator("main script, main img").count(), complaints]).toEqual([0, []]);
  });
});

describe("an action", () => {
  it("is first tried, then done, and then stands in the action log", async () => {
    const { page } = await open("modules/idle");
    await page.getByRole("button", { name: "Limit idle" }).click();
    await page.getByLabel("Slots").fill(" ");
    expect(await page.getByRole("button", { name: "Dry run" }).isDisabled()).toBe(true);
    await page.getByLabel("Slots").fill("3");
    await page.getByLabel("Why").fill("to see <b>it</b>");
    await page.getByRole("button", { name: "Dry run" }).click();
    await page.getByText("Would be done").waitFor();
    expect(await page.getByRole("dialog").locator("code").textContent()).toBe(
      "dispatcher modules limit idle 3 '--why=to see <b>it</b>'",
    );
    expect(await stack.dispatcher("actions")).not.toContain("limit");
    await page.getByRole("dialog").getByRole("button", { name: "Limit idle" }).click();
    await page.getByText("Done", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Close" }).click();
    await page.getByText("limited to 3").waitFor();
    await page.getByRole("link", { name: "Actions" }).click();
    await page.getByText("to see <b>it</b>").waitFor();
    expect(await stack.dispatcher("actions")).toMatch(/limit slots=3 .*to see <b>it<\/b>/);
    await stack.dispatcher("modules", "resume", "idle");
  });

  it("cancels the runs that are selected", async () => {
    const { page } = await open("runs?module=again");
    await page.getByRole("checkbox").first().check();
    const messageId = await page.locator("[data-row] .under").first().textContent();
    await page.getByRole("button", { name: "Cancel the run" }).click();
    await page.getByText("Would be done").waitFor();
    await page
      .getByRole("dialog")
      .getByText(messageId ?? "", { exact: true })
      .waitFor();
    // The reason changes nothing of what was tried.
    await page.getByLabel("Why").fill("a wrong order");
    expect(await page.getByRole("dialog").locator("code").textContent()).toMatch(
      /^dispatcher runs cancel \S+ '--why=a wrong order'$/,
    );
    await page.getByRole("dialog").getByRole("button", { name: "Cancel the run" }).click();
    await page.getByText("Done", { exact: true }).waitFor();
    const focused = () => page.evaluate("document.activeElement.textContent");
    expect(await focused()).toBe("Close");
    await page.keyboard.press("Enter");
    await page.getByText("There are no such runs").waitFor();
    // The button that opened the action is gone.
    expect(await focused()).toBe("Runs");
    expect(await stack.dispatcher("actions")).toMatch(/cancel .*a wrong order/);
  });

  it("does nothing else than what was said, if a run has begun meanwhile", async () => {
    const { page } = await open("runs?module=many");
    await page.getByRole("checkbox").nth(1).check();
    let [looks, deeds] = [0, 0];
    await page.route("**/api/v1/runs/cancel", async (route) => {
      if (!route.request().postDataJSON().dryRun) deeds += 1;
      else if ((looks += 1) > 1) {
        const response = await route.fetch();
        const { answers, ...rest } = await response.json();
        const begun = answers.map((answer: object) => ({ ...answer, did: "ordered the end" }));
        return route.fulfill({ response, json: { ...rest, answers: begun } });
      }
      return route.continue();
    });
    await page.getByRole("button", { name: "Cancel the run" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Would be done").waitFor();
    await dialog.getByRole("button", { name: "Cancel the run" }).click();
    await dialog.getByText("It has changed since, and nothing was done").waitFor();
    await dialog.getByText("ends its Job within 10 s").waitFor();
    expect({ looks, deeds }).toEqual({ looks: 2, deeds: 0 });
    await dialog.getByRole("button", { name: "Leave it" }).click();
  });

  it("cancels all runs that match, a hundred at a time, as a command does", async () => {
    const { page } = await open("runs?module=many");
    await page.getByRole("checkbox", { name: "Select all shown" }).check();
    await page.getByText("100 selected").waitFor();
    await page.getByRole("button", { name: "Select all that match" }).click();
    await page.getByText("All 130 that match are selected").waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    await page.getByRole("button", { name: "Cancel 130 runs" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Would be done 130").waitFor();
    expect(await dialog.locator("code").textContent()).toBe(
      "dispatcher runs ls --module=many --limit=130 --output=name | xargs -r dispatcher runs cancel",
    );
    await dialog.getByRole("button", { name: "Cancel 130 runs" }).click();
    await dialog.getByText("Done 130").waitFor();
    await dialog.getByRole("button", { name: "Close" }).click();
    await page.getByText("There are no such runs").waitFor();
  });

  it("that takes several requests can be stopped, and says how far it came", async () => {
    await stack.send("many", 230);
    const { page } = await open("runs?module=many");
    await page.getByRole("checkbox", { name: "Select all shown" }).check();
    await page.getByRole("button", { name: "Select all that match" }).click();
    const dialog = page.getByRole("dialog");
    await page.getByRole("button", { name: "Cancel 230 runs" }).click();
    await dialog.getByText("Would be done 230").waitFor();
    // The second request is held up until the person has stopped it.
    let requests = 0;
    let goOn = () => {};
    const stopped = new Promise<void>((resolve) => (goOn = resolve));
    await page.route("**/api/v1/runs/cancel", async (route) => {
      requests += 1;
      if (requests === 2) await stopped;
      await route.continue();
    });
    await dialog.getByRole("button", { name: "Cancel 230 runs" }).click();
    await dialog.getByText("100 of 230").waitFor();
    await dialog.getByRole("button", { name: "Stop" }).click();
    goOn();
    await dialog.getByText("Stopped after 200 of 230").waitFor();
    expect(requests).toBe(2);
    await page.unroute("**/api/v1/runs/cancel");
    await dialog.getByRole("button", { name: "Close" }).click();
    // A run that was cancelled is closed by a tick.
    const args = ["runs", "ls", "--module", "many", "--limit", "1000", "--output", "name"];
    const left = async () => (await stack.dispatcher(...args)).trim().split("\n");
    await expect.poll(left, { timeout: 30_000 }).toHaveLength(30);
  });

  it("says of what was chosen last what it would do, also if the answer before comes later", async () => {
    const { page } = await open("failures");
    const address = "**/api/v1/dead-letters/redrive";
    let requests = 0;
    let goOn = () => {};
    const held = new Promise<void>((resolve) => (goOn = resolve));
    await page.route(address, async (route) => {
      requests += 1;
      if (requests === 1) await held;
      await route.continue();
    });
    const group = page.locator("[data-row]", { hasText: "no space left on disk" });
    await group.getByRole("button", { name: "Redrive the group" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Looking what it would do").waitFor();
    await dialog.getByLabel("one, to see whether it works now").check();
    const ofOne = /^dispatcher dead redrive .*--most=1$/;
    await dialog.locator("code", { hasText: ofOne }).waitFor();
    const late = page.waitForResponse(address);
    goOn();
    await (await late).finished();
    await page.evaluate("new Promise((resolve) => setTimeout(resolve))");
    expect(await dialog.locator("code").textContent()).toMatch(ofOne);
    await page.unroute(address);
    await dialog.getByRole("button", { name: "Leave it" }).click();
  });

  it("redrives one letter of a group, and the run of it says so", async () => {
    const { page } = await open("failures");
    const dead = z.array(z.object({ run: z.string(), messageId: z.string() }));
    const letters = async () =>
      dead.parse(JSON.parse(await stack.dispatcher("dead", "ls", "--module", "worse", "--output", "json")));
    const search = async (messageId: string) => {
      await page.keyboard.press("/");
      await page.keyboard.type(messageId);
      await page.keyboard.press("Enter");
    };
    for (const { run, messageId } of await letters()) {
      await search(messageId);
      await page.getByRole("heading", { name: run }).waitFor();
    }
    await page.getByRole("link", { name: "Failures" }).click();
    const group = page.locator("[data-row]", { hasText: "no space left on disk" });
    await group.getByRole("button", { name: "Redrive the group" }).click();
    await page.getByLabel("one, to see whether it works now").check();
    await page.getByText("worse: 4 can be redriven, and 1 of them will be.").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Redrive the group" }).click();
    await page.getByText("Ordered", { exact: true }).waitFor();
    await expect.poll(() => stack.dispatcher("dead", "redrives"), { timeout: 30_000 }).toMatch(/worse .* done +1 /);
    // It fails once more.
    await expect.poll(async () => (await letters()).length, { timeout: 30_000 }).toBe(4);
    await page.getByRole("button", { name: "Close" }).click();
    await group.getByText(/^1 redriven .* ago; some that lie here failed since\.$/).waitFor();
    await page.getByText(/^Redriven .* ago: 1 of worse\./).waitFor();
    const again = (await letters()).find(({ run }) => run.endsWith(":r1"));
    const first = again?.run.replace(/:r1$/, "") ?? "";
    // The page knows an answer to this search from before the redrive.
    await search(again?.messageId ?? "");
    await page.getByRole("heading", { name: again?.run ?? "" }).waitFor();
    await page.goto(new URL(`/api/ui/runs/${encodeURIComponent(first)}`, page.url()).href);
    const toNewest = page.getByRole("link", { name: "Redriven (:r1), which failed" });
    await toNewest.waitFor();
    expect(await page.getByRole("button", { name: "Redrive the message" }).count()).toBe(0);
    await toNewest.click();
    await page.getByRole("button", { name: "Redrive the message" }).waitFor();
    await page.getByRole("link", { name: first, exact: true }).click();
    await toNewest.waitFor();
  });

  it("that is refused leaves selected what was selected", async () => {
    const { page } = await open("dead-letters?module=worse");
    await page.getByRole("checkbox").nth(1).check();
    const title = "The table can't be used";
    await page.route("**/api/v1/dead-letters/redrive", async (route) => {
      if (route.request().postDataJSON().dryRun) await route.continue();
      else
        await route.fulfill({ status: 503, json: { type: "about:blank", title, status: 503, detail: "Try again." } });
    });
    await page.getByRole("button", { name: "Redrive the message" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("1 can be redriven").waitFor();
    await dialog.getByRole("button", { name: "Redrive the message" }).click();
    await dialog.getByText(title).waitFor();
    await dialog.getByRole("button", { name: "Leave it" }).click();
    await page.getByText("1 selected").waitFor();
    expect(await page.getByRole("button", { name: /^Redrive/ }).allTextContents()).toEqual(["Redrive the message …"]);
  });

  it("names what is not there any more", async () => {
    const { page } = await open("dead-letters?module=worse");
    await page.getByRole("checkbox").nth(1).check();
    await page.route("**/api/v1/dead-letters/redrive", async (route) => {
      const { runs, ...body } = route.request().postDataJSON();
      await route.continue({ postData: JSON.stringify({ ...body, runs: [...runs, "worse:99:99"] }) });
    });
    await page.getByRole("button", { name: "Redrive the message" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("1 can be redriven").waitFor();
    expect(await dialog.getByText("Without a dead letter on the bus: 1.").count()).toBe(1);
  });

  it("is not offered for all that match if what was selected is not shown any more", async () => {
    const { page } = await open("dead-letters?module=worse");
    await page.getByRole("checkbox").nth(1).check();
    await page.route("**/api/v1/dead-letters?*", async (route) => {
      const response = await route.fetch({ headers: { ...route.request().headers(), "if-none-match": "" } });
      const { letters, ...rest } = await response.json();
      const others = letters.map((letter: object) => ({ ...letter, id: "worse:1:1" })).slice(0, 1);
      await route.fulfill({ status: 200, json: { ...rest, letters: others } });
    });
    await page.getByText("Those selected are gone from the list").waitFor({ timeout: 20_000 });
    expect(await page.getByRole("button", { name: /^(Redrive|Purge)/ }).count()).toBe(0);
    await page.getByRole("button", { name: "Clear" }).click();
    await page.getByRole("button", { name: "Redrive all that match" }).waitFor();
  });

  it("purges what a person has counted", async () => {
    const { page } = await open("failures");
    const group = page.locator("[data-row]", { hasText: "no space left on disk" });
    await group.getByRole("button", { name: "Purge the group" }).click();
    await page.getByText("4 dead letters are chosen").waitFor();
    const purge = page.getByRole("dialog").getByRole("button", { name: "Purge the group" });
    expect(await purge.isDisabled()).toBe(true);
    await page.getByLabel("Type 4 to go on").fill("4");
    await purge.click();
    await page.getByText("Purged 4").waitFor();
    await page.getByRole("button", { name: "Close" }).click();
    await group.waitFor({ state: "detached" });
  });

  it("that is ordered stays open until it is answered, because it can't be taken back", async () => {
    const { page } = await open("modules/idle");
    await page.getByRole("button", { name: "Pause idle" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Would be done").waitFor();
    await dialog.getByLabel("1 hour").check();
    await dialog.locator("code", { hasText: "--for=1h" }).waitFor();
    await dialog.getByText("Would be done").waitFor();
    let goOn = () => {};
    const held = new Promise<void>((resolve) => (goOn = resolve));
    await page.route("**/api/v1/modules/idle/pause", async (route) => {
      await held;
      await route.continue();
    });
    await dialog.getByRole("button", { name: "Pause idle" }).click();
    await dialog.getByText("can't be taken back").waitFor();
    expect(await dialog.getByRole("button", { name: "Leave it" }).isDisabled()).toBe(true);
    for (let press = 0; press < 3; press += 1) await page.keyboard.press("Escape");
    expect(await dialog.isVisible()).toBe(true);
    goOn();
    await dialog.getByText("Done", { exact: true }).waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await stack.dispatcher("modules", "resume", "idle");
  });

  it("is only tried by a page that only looks", async () => {
    const { page } = await open("modules/idle", {}, looking);
    await page.getByRole("button", { name: "Pause idle" }).click();
    await page.getByText("This page only looks").waitFor();
    expect(await page.getByRole("dialog").getByRole("button", { name: "Pause idle" }).count()).toBe(0);
  });

  it("that repairs is offered once something can be repaired without judgement", async () => {
    const { page } = await open("audit");
    await page.getByText("Nothing needs to be repaired").waitFor();
    const repair = page.getByRole("button", { name: "Repair what is safe" });
    expect(await repair.count()).toBe(0);
    const finding = { kind: "lock without a run", runId: "good:1:1", subject: "good:1:1" };
    await page.route("**/api/v1/audit", (route) =>
      route.fulfill({ json: { findings: [finding], looked: {}, tooYoung: [], unfinished: [] } }),
    );
    await page.getByRole("button", { name: "Look again" }).click();
    await page.getByText("a row says that the run is open").waitFor();
    await repair.click();
    const dialog = page.getByRole("dialog");
    // The server looks for itself.
    await dialog.getByText("There is nothing to do").waitFor();
    expect(await dialog.locator("code").textContent()).toBe("dispatcher audit --repair");
  });
});

describe("the audit", () => {
  it("gives no all-clear of what could not be compared", async () => {
    const { page } = await open("audit");
    await page.getByText("Nothing needs to be repaired").waitFor();
    const unfinished = [{ phase: "open runs", detail: "The table can't be used." }];
    const report = { findings: [], looked: {}, tooYoung: [], unfinished };
    await page.route("**/api/v1/audit", (route) => route.fulfill({ json: report }));
    await page.getByRole("button", { name: "Look again" }).click();
    await page.getByText("Not compared: open runs").waitFor();
    await page.getByText("Nothing is known of what was not compared").waitFor();
    expect(await page.getByText("Nothing needs to be repaired").count()).toBe(0);
  });
});

describe("by the keyboard alone, a person", () => {
  it("finds a run by its message's id, and comes back", async () => {
    const { page } = await open();
    await page.keyboard.press("/");
    await page.keyboard.type("good-1");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: await runOf(stack, "--message-id", "good-1") }).waitFor();
    await page.goBack();
    await page.getByRole("heading", { name: "Now" }).waitFor();
    expect(page.url()).toBe(new URL("/api/ui/", acting).href);
  });

  it("types the next id over the one that was searched before", async () => {
    const { page } = await open();
    for (const id of ["no-such-1", "no-such-2"]) {
      await page.keyboard.press("/");
      await page.keyboard.type(id);
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: `Search: ${id}`, exact: true }).waitFor();
    }
    await page.getByRole("link", { name: "Modules" }).click();
    await page.getByRole("heading", { name: "Modules" }).waitFor();
    await expect.poll(() => page.locator("#search").inputValue()).toBe("");
  });

  it("moves through a list, selects and opens a row, and closes a dialog", async () => {
    const { page } = await open("runs?module=slow");
    const [first, second] = await page.locator("[data-row] a").allTextContents();
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("k");
    expect(await page.locator(":focus").textContent()).toBe(first);
    await page.keyboard.press("x");
    await page.getByRole("button", { name: "Cancel the run" }).waitFor();
    await page.keyboard.press("r");
    await page.getByRole("heading", { name: "Cancel the run" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.keyboard.press("?");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.locator("[data-row] a").nth(1).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: second ?? "" }).waitFor();
  });
});

describe("the address", () => {
  it("opens a list with its filters, and has the secret no more", async () => {
    const { page } = await open("runs?module=slow&status=dispatched");
    expect(page.url()).not.toContain("#");
    expect(await page.getByLabel("Module").inputValue()).toBe("slow");
    expect(await page.locator("[data-row]").count()).toBe(2);
    await page.getByLabel("Status").selectOption("waiting");
    await page.waitForURL(/status=waiting/);
    await page.locator("[data-row]").first().waitFor();
    expect(await page.locator("[data-row]").count()).toBe(1);
    await page.reload();
    expect(await page.getByLabel("Status").inputValue()).toBe("waiting");
  });

  it("works in another tab, which has the secret from this one", async () => {
    const { page } = await open("modules");
    const other = await page.context().newPage();
    await other.goto(new URL("/api/ui/failures", acting).href);
    await other.getByRole("heading", { name: "Failures" }).waitFor();
    expect(await other.getByText("Open the address").count()).toBe(0);
  });

  it("that is pasted into an open tab brings its secret, and a part of the page is none", async () => {
    const { page } = await open("modules");
    await page.evaluate("sessionStorage.clear()");
    await page.evaluate(`location.hash = ${JSON.stringify(acting.hash)}`);
    await page.waitForURL((url) => url.hash === "");
    await page.getByRole("link", { name: "slow" }).waitFor();
    await page.locator(".skip").focus();
    await page.keyboard.press("Enter");
    expect(page.url()).toMatch(/#main$/);
    await page.reload();
    await page.getByRole("link", { name: "slow" }).waitFor();
  });

  it("with the secret of a server that has ended takes that of another tab", async () => {
    const { page } = await open("modules");
    const other = await page.context().newPage();
    await other.goto(new URL(`/api/ui/failures#${"x".repeat(32)}`, acting).href);
    await other.getByRole("heading", { name: "Failures" }).waitFor();
    const third = await page.context().newPage();
    await third.goto(new URL("/api/ui/failures", acting).href);
    await third.getByRole("heading", { name: "Failures" }).waitFor();
    expect(await third.evaluate("sessionStorage.length")).toBe(1);
  });

  it("without the secret shows nothing, and says what to do", async () => {
    const context = await browser.newContext();
    contexts.push(context);
    const page = await context.newPage();
    await page.goto(new URL("/api/ui/", acting).href);
    await page.getByText("Open the address that dispatcher ui printed").waitFor();
    expect(await page.locator("nav").count()).toBe(0);
  });
});

describe("the page of the app itself", () => {
  it("shows the same at localhost, to look only, and asks for no secret", async () => {
    const app = new URL(stack.app.replace("127.0.0.1", "localhost"));
    const { page, complaints, origins } = await open("modules", {}, app);
    await page.getByText("look only").waitFor();
    expect(await page.getByRole("link", { name: "slow" }).count()).toBe(1);
    await page.goto(new URL(`/api/ui/${await viewOfRun(stack, "--module", "slow")}`, app).href);
    await page.getByText("Body and properties take the role of an operator.").waitFor();
    expect(complaints).toEqual([]);
    expect([...origins]).toEqual([app.origin]);
  });
});

describe("a page that is open", () => {
  it("shows at once what an action has changed", async () => {
    const { page } = await open("audit");
    let asked = 0;
    page.on("request", (request) => (asked += request.url().endsWith("/audit") ? 1 : 0));
    const finding = { kind: "lock without a run", runId: "good:1:1", subject: "good:1:1" };
    await page.route("**/api/v1/audit", (route) =>
      route.fulfill({ json: { findings: [finding], looked: {}, tooYoung: [], unfinished: [] } }),
    );
    await page.getByRole("button", { name: "Look again" }).click();
    await page.getByRole("button", { name: "Repair what is safe" }).click();
    await page.getByRole("dialog").getByText("There is nothing to do").waitFor();
    await page.getByRole("button", { name: "Leave it" }).click();
    expect(asked).toBe(1);
    await page.getByRole("link", { name: "Modules" }).click();
    await page.getByRole("link", { name: "idle" }).click();
    await page.getByRole("button", { name: "Pause idle" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Would be done").waitFor();
    await dialog.getByRole("button", { name: "Pause idle" }).click();
    await dialog.getByRole("button", { name: "Close" }).click();
    // The view itself asks every five seconds.
    await page.getByRole("button", { name: "Resume idle" }).waitFor({ timeout: 2_000 });
    await stack.dispatcher("modules", "resume", "idle");
  });

  it("shows what changes, and asks for nothing while it is hidden", async () => {
    const { page } = await open("modules");
    await stack.dispatcher("modules", "pause", "slow");
    await page.getByText("paused").waitFor();
    await page.evaluate('Object.defineProperty(document, "hidden", { value: true, configurable: true })');
    await page.waitForTimeout(500);
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    // Longer than it waits between two questions.
    await page.waitForTimeout(5_500);
    expect(asked).toEqual([]);
    await stack.dispatcher("modules", "resume", "slow");
    await page.evaluate('delete document.hidden; document.dispatchEvent(new Event("visibilitychange"))');
    await page.getByText("paused").waitFor({ state: "detached" });
  });

  it("asks again for what could not be had, also for what it shows once", async () => {
    const { page } = await open("modules");
    let asked = 0;
    await page.route("**/explanation", async (route) => {
      asked += 1;
      const problem = { type: "about:blank", title: "Away", status: 503, detail: "It comes back." };
      await (asked === 1 ? route.fulfill({ status: 503, json: problem }) : route.continue());
    });
    await page.goto(new URL(`/api/ui/${await viewOfRun(stack, "--closed", "--module", "good")}`, page.url()).href);
    await page.getByText("It comes back.").waitFor();
    await page.getByRole("heading", { name: "How it ended" }).waitFor();
    expect(asked).toBe(2);
  });

  it("waits for an audit as long as its server does", async () => {
    const { page } = await open("modules");
    // A hundred times as fast.
    await page.addInitScript({
      content:
        "const timeout = AbortSignal.timeout; AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms / 100);",
    });
    for (const address of ["**/api/v1/audit", "**/api/v1/failure-groups?*"])
      await page.route(address, async (route) => {
        await setTimeout(1_000);
        await route.continue();
      });
    await page.goto(new URL("/api/ui/audit", page.url()).href);
    await page.getByText("Nothing needs to be repaired").waitFor();
    await page.getByRole("link", { name: "Failures" }).click();
    await page.getByText("takes too long").waitFor();
    expect(await page.getByText("does not answer").count()).toBe(0);
    await page.unrouteAll({ behavior: "ignoreErrors" });
  });

  it("says so if its server is gone, and shows what it said last", async () => {
    const address = await stack.serve();
    const { page } = await open("modules", {}, new URL(address));
    await stack.endServer(address);
    await page.getByText("does not answer").waitFor();
    expect(await page.locator("[data-row]").count()).toBe(8);
  });
});
