import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import { statusText } from "../../cli/status/status-text.ts";
import { widthOf } from "../../cli/text/width.ts";
import type { ModuleStatus, Status } from "../../shared/operate/views/status.ts";
import type { Redrive } from "../../shared/run/redrive.ts";
import { T0 } from "../support/a-run.ts";

const none = { count: 0, isMore: false };
const aModule = (over: Partial<ModuleStatus> = {}): ModuleStatus => ({
  module: "thumbnail",
  source: { queue: "thumbnails" },
  slots: 20,
  maxActive: 20,
  fileMistakes: [],
  isOtherForm: false,
  limit: undefined,
  atWork: { byStatus: { dispatched: 3, settling: 1 }, heldUpBy: {}, busy: 0 },
  inLine: none,
  later: { ...none, causes: {} },
  held: none,
  oldestAt: T0 - 60_000,
  trip: undefined,
  gate: undefined,
  ends: { since: T0 - 3_600_000 },
  lately: { since: T0 - 3_300_000, slotMs: 300_000, done: [], failed: [] },
  took: {},
  ...over,
});
const STATUS: Status = {
  instance: "test",
  namespace: "jobs",
  at: T0,
  tick: { at: T0 - 2_000, ageMs: 2_000 },
  ticker: "a/1",
  modules: [],
  redrives: [],
  problems: [],
};
const REDRIVE: Redrive = {
  source: { queue: "renders" },
  orderedAt: T0 - 120_000,
  who: "ann",
  wanted: {},
  perSecond: 50,
  cursor: 0,
  isThrough: false,
  redriven: 0,
  left: {},
};
const shown = (...modules: ModuleStatus[]) =>
  statusText({ ...STATUS, modules })
    .split("\n")
    .slice(3, -2);
const PAUSE = {
  module: "report",
  slots: 0,
  who: "ada.lovelace@a-machine-with-quite-a-long-name",
  why: "the store is full, and whoever fills it is on holiday",
  since: T0,
  until: T0 + 3_600_000,
};

describe("the status", () => {
  test("does not say that nothing is wrong while runs failed in the last hour", () => {
    const text = (failed: number) =>
      statusText({ ...STATUS, modules: [aModule({ ends: { since: T0 - 3_600_000, failed, cancelled: 2 } })] });
    expect(text(16)).toMatch(/\n16 runs failed in the last hour\. See: dispatcher dead groups$/);
    expect(text(16)).not.toContain("nothing is wrong");
    expect(text(0)).toMatch(/\nnothing is wrong$/);
  });

  test("never says of a wrong module file that it is gone, or that its runs should be cancelled", () => {
    const fileMistakes = ["modules/acme.yaml:6:12: maxActive: write a number"];
    const text = statusText({
      ...STATUS,
      modules: [aModule({ module: "acme", slots: undefined, fileMistakes })],
      problems: [{ kind: "file wrong", module: "acme", mistakes: fileMistakes }],
    });
    expect(text).toContain("its file on disk is wrong");
    expect(text).toContain("acme.yaml:6:12: maxActive: write a number. The running Dispatcher goes on with the form");
    expect(text).not.toMatch(/gone|cancel/);
  });

  test("says that the running Dispatcher has another form of a module's file", () => {
    expect(shown(aModule({ isOtherForm: true }))[1]).toMatch(/the running Dispatcher has another form of its file$/);
  });

  test("says of a trip whose module's file is wrong that another template ends it", () => {
    const trip = { since: T0 - 60_000, why: "ErrImagePull", probeAt: T0 };
    const text = (fileMistakes: readonly string[]) => {
      const isFileWrong = fileMistakes.length > 0 ? { isFileWrong: true as const } : {};
      const problem = {
        kind: "module tripped",
        module: "acme",
        since: trip.since,
        why: trip.why,
        ...isFileWrong,
      } as const;
      return statusText({ ...STATUS, modules: [aModule({ module: "acme", trip, fileMistakes })], problems: [problem] });
    };
    const unless = ", unless its template has changed since";
    expect(text(["acme.yaml:1:1: name"])).toContain(`tripped${unless}: ErrImagePull, its file on disk is wrong`);
    expect(text(["acme.yaml:1:1: name"])).toContain(`module acme is tripped for 1m${unless}: ErrImagePull`);
    expect(text([])).not.toContain("unless");
  });

  test("says what is being redriven, how far that is, and who ordered it", () => {
    const text = statusText({ ...STATUS, redrives: [{ ...REDRIVE, redriven: 120 }] });
    expect(text).toContain("redriving dead letters of renders: 120 so far, ordered by ann 2m ago");
  });

  test("counts what was rejected or lost as failed, and not what a person cancelled", () => {
    const ends = { since: T0, succeeded: 7, failed: 1, rejected: 2, lost: 4, cancelled: 100 };
    const [head = "", row = ""] = shown(aModule({ ends }));
    const cells = row.split(/ {2,}/);
    expect([cells.at(-2), cells.at(-1)]).toEqual(["7", "7"]);
    expect(head).toMatch(/DONE +FAILED$/);
  });

  test("says at what pace a module's runs end and how long its Jobs take, where there is room", () => {
    const took = { job: { count: 90, medianMs: 42_000, p95Ms: 200_000 } };
    const module = aModule({ ends: { since: T0 - 3_600_000, succeeded: 90 }, took });
    const [head = "", row = ""] = onTerminal(140, () => shown(module));
    expect(head).toContain("A MINUTE  JOB P50  P95");
    expect(row).toMatch(/ 1\.5 +42s +3m20s /);
    expect(shown(aModule())[1]).toMatch(/ - +- +- +0 +0$/);
    expect(onTerminal(80, () => shown(module))[0]).not.toContain("P50");
  });

  test.each([
    { given: { count: 1 }, says: "a deferred message or Job belongs to no run" },
    { given: { count: 3 }, says: "3 deferred messages or Jobs belong to no run" },
    { given: { count: 1, jobs: 0 }, says: "a deferred message belongs to no run" },
    { given: { count: 1, jobs: 1 }, says: "a Job belongs to no run" },
    { given: { count: 2, jobs: 1 }, says: "a deferred message and a Job belong to no run" },
    { given: { count: 3, jobs: 1 }, says: "2 deferred messages and a Job belong to no run" },
    { given: { count: 4, jobs: 4 }, says: "4 Jobs belong to no run" },
  ])("$says", ({ given, says }) => {
    const text = statusText({ ...STATUS, problems: [{ kind: "orphans", at: T0, ...given }] });
    expect(text).toContain(`! ${says}. See: dispatcher audit`);
  });

  test("says of more than is counted that there is more", () => {
    expect(shown(aModule({ inLine: { count: 1_000, isMore: true } }))[1]).toMatch(/ 1000\+ /);
  });

  test.each([80, 140])("says who paused a module, why and until when, in %i columns", (columns) => {
    const lines = onTerminal(columns, () => shown(aModule(), aModule({ module: "report", limit: PAUSE })));
    expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(columns);
    const words = lines.map((line) => line.trim()).join(" ");
    for (const part of [PAUSE.who, "the store is full", "on holiday", "2026-01-01T01:00:00Z"])
      expect(words.replaceAll(/ +/g, " ")).toContain(part);
  });
});

test("no line is wider than the terminal, and a problem goes on below its own words", () => {
  const wrong = { kind: "file wrong", module: "acme", mistakes: ["6:12 maxActive: give a whole number"] } as const;
  const status = { ...STATUS, problems: [wrong], redrives: [REDRIVE] };
  const lines = stripVTControlCharacters(onTerminal(80, () => statusText(status))).split("\n");
  expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(80);
  const first = lines.findIndex((line) => line.startsWith("  ! the file of module acme is wrong: 6:12"));
  expect(lines[first + 1]).toMatch(/^ {4}\S/);
});

/** Gives what this gives if it is written to a terminal of so many columns. */
function onTerminal<T>(columns: number, act: () => T): T {
  const { stdout } = process;
  const [isTTY, width] = [stdout.isTTY, stdout.columns];
  Object.assign(stdout, { isTTY: true, columns });
  try {
    return act();
  } finally {
    Object.assign(stdout, { isTTY, columns: width });
  }
}
