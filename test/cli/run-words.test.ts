import { afterEach, expect, test, vi } from "vitest";
import { whatText } from "../../cli/actions/actions.ts";
import { factLines } from "../../cli/dead/letter-facts.ts";
import { factsOf } from "../../cli/dead/show.ts";
import { lastErrorText } from "../../cli/runs/last-error.ts";
import { byEnd, whyText } from "../../cli/runs/ls.ts";
import { noContentLines } from "../../cli/runs/show.ts";
import { printText } from "../../cli/text/print.ts";
import { terminalLines } from "../../cli/text/table.ts";
import { makeOperator } from "../../shared/operate/operator.ts";
import { runId } from "../../shared/run/run.ts";
import { aModule } from "../support/a-module.ts";
import { aRun, T0 } from "../support/a-run.ts";
import { makeWorld, RETRY, ticks } from "../support/world.ts";

test("a held run waits for its gate, and for no time", () => {
  const run = aRun({ status: "held", notBefore: T0 + 60_000, lastError: "no module takes it" });
  const row = { id: runId(run), ...run, place: "held", waitsFor: "held" } as const;
  expect(whyText(row, T0)).toBe("held at a gate; no module takes it");
});

test("the last error of a run that succeeded is an earlier attempt's", () => {
  expect(lastErrorText({ status: "failed", lastError: "x" })).toBe("x");
  expect(lastErrorText({ status: "succeeded", lastError: "x" })).toBe(
    "x (of an earlier attempt; the run succeeded since)",
  );
});

test("a resumed module had slots", () => {
  const action = { id: "1", at: T0, who: "ada", what: "resume", subject: "m", facts: { slots: 0 } };
  expect(whatText(action)).toBe("resume (it had 0 slots)");
});

test("the content of a dead letter is shown if it is asked for, and a run says where it is", async () => {
  const world = makeWorld([aModule({ retry: { ...RETRY, permanentExitCodes: [64] } })]);
  await world.send({ properties: { tenant: "acme" }, body: Buffer.from('{"size":1}') });
  world.cluster.fail(world.jobName(), 64);
  await ticks(world, () => world.open().length === 0);
  const [run] = world.closed();
  if (!run) throw new Error("no run");
  const operator = makeOperator(world.deps, world.log);
  const said = async (withContent: boolean) => {
    const found = await operator.deadLetter(runId(run), { withContent });
    if (found.kind !== "dead letter") throw new Error(found.kind);
    return factLines(factsOf(found, T0)).join("\n");
  };
  expect(await said(true)).toMatch(/^properties +.*"tenant":"acme".*\nbody +\{"size":1\}$/m);
  expect(await said(false)).not.toMatch(/acme|size/);
  const shown = await operator.show(run, { withContent: true });
  if (!shown || shown === "newer") throw new Error("no run");
  expect(noContentLines(shown)).toEqual([
    ["body", `in the dead letter queue. See: dispatcher dead show ${runId(run)} --content`],
  ]);
});

test("runs of one list come by their ends, whatever their sources", () => {
  const ended = [5, 9, 7].map((closedAt) => ({ closedAt }));
  expect(byEnd(ended).map(({ closedAt }) => closedAt)).toEqual([9, 7, 5]);
  const open = [{ id: 2 }, { id: 1 }];
  expect(byEnd(open)).toEqual(open);
});

afterEach(() => vi.unstubAllGlobals());

test("a sentence is broken between words at the width of a terminal, and not in a pipe", () => {
  const sentence = "It waits because an attempt ended, and the next one has to wait (back-off). ".repeat(3).trim();
  vi.stubGlobal("process", { ...process, stdout: { isTTY: true, columns: 80 } });
  const lines = terminalLines(sentence, 12);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(68);
  expect(lines.join(" ")).toBe(sentence);
  vi.stubGlobal("process", { ...process, stdout: { isTTY: false } });
  expect(terminalLines(sentence, 12)).toEqual([sentence]);
});

/** What is printed on a terminal of 60 columns, or into a pipe, line by line. */
function printed(isTTY: boolean, ...args: Parameters<typeof printText>): string[] {
  let said = "";
  vi.stubGlobal("process", { ...process, stdout: { isTTY, columns: 60, write: (text: string) => (said += text) } });
  printText(...args);
  return said.trimEnd().split("\n");
}

test("a command behind a sentence stays whole, on a line of its own if it has to, and in a pipe all is one line", () => {
  const meaning = "284 runs of module acme wait for its file, which is gone. Put it back, or give them up one by one";
  const [short, long] = ["dispatcher audit", "dispatcher runs cancel 'acme:4:1767225600000'"];
  expect(printed(true, meaning, short)).toEqual([
    "284 runs of module acme wait for its file, which is gone.",
    "Put it back, or give them up one by one: dispatcher audit",
  ]);
  expect(printed(true, meaning, long).slice(1)).toEqual(["Put it back, or give them up one by one:", long]);
  expect(printed(false, meaning, long)).toEqual([`${meaning}: ${long}`]);
  expect(printed(false, meaning)).toEqual([meaning]);
});
