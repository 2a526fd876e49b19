import { describe, expect, it } from "vitest";
import type { Module } from "../../../shared/modules/module.ts";
import { makeAdmission } from "../../../shared/start/admission.ts";
import { aModule } from "../../support/a-module.ts";
import { aRun } from "../../support/a-run.ts";
import { makeFakeRunTable } from "../../support/fake-run-table.ts";
import { makeTestClock } from "../../support/test-clock.ts";

function setUp(over: Partial<Module> = {}) {
  const clock = makeTestClock();
  const table = makeFakeRunTable({ clock });
  return { clock, table, admission: makeAdmission(table, clock), module: aModule({ maxActive: 2, ...over }) };
}

describe("admission", () => {
  it("admits up to maxActive, and counts the messages that it admitted itself", async () => {
    const { admission, module } = setUp();
    expect([await admission.admits(module), await admission.admits(module), await admission.admits(module)]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it("counts the Jobs of dispatched rows", async () => {
    const { admission, module, table } = setUp();
    await table.insert(aRun({ sequenceNumber: 1, status: "dispatched" }));
    await table.insert(aRun({ sequenceNumber: 2, status: "dispatched" }));
    expect(await admission.admits(module)).toBe(false);
  });

  it("lets no message pass an older run whose time has come", async () => {
    const { admission, module, table } = setUp();
    await table.insert(aRun({ sequenceNumber: 1, status: "waiting" }));
    expect(await admission.admits(module)).toBe(false);
  });

  it("lets a message pass an older run that is backing off", async () => {
    const { admission, module, table, clock } = setUp();
    await table.insert(aRun({ sequenceNumber: 1, status: "waiting", notBefore: clock.now() + 60_000 }));
    expect(await admission.admits(module)).toBe(true);
  });

  it("counts again after ten seconds, so that a slot that was never used comes free", async () => {
    const { admission, module, clock } = setUp({ maxActive: 1 });
    expect(await admission.admits(module)).toBe(true);
    expect(await admission.admits(module)).toBe(false);
    clock.advance(10_001);
    expect(await admission.admits(module)).toBe(true);
  });

  it("admits no message of a module that the operator paused", async () => {
    const { admission, module } = setUp({ maxActive: 0 });
    expect(await admission.admits(module)).toBe(false);
  });
});
