import { expect, it } from "vitest";
import { makeAudit } from "../../../shared/api/room.ts";
import type { AuditReport, Looked } from "../../../shared/operate/audit/finding.ts";
import { makeOperator } from "../../../shared/operate/operator.ts";
import { withRun } from "../../support/world.ts";

it("an audit is made once for all who ask while it is under way", async () => {
  const { deps, log } = await withRun();
  const operator = makeOperator(deps, log);
  let made = 0;
  const counting = {
    audit: (tell?: (looked: Looked) => void): Promise<AuditReport> => ((made += 1), operator.audit(tell)),
  };
  const audit = makeAudit(deps, counting);
  const reports = await Promise.all([audit(), audit(), audit()]);
  expect(made).toBe(1);
  expect(new Set(reports).size).toBe(1);
  await audit();
  expect(made).toBe(2);
});

it("an audit that takes minutes is cut off, and says what was not compared", async () => {
  const { deps, log, clock } = await withRun();
  const { table } = deps;
  const identities = (...asked: Parameters<typeof table.identities>) => {
    clock.advance(5 * 60_000);
    return table.identities(...asked);
  };
  const slow = { ...deps, table: { ...table, identities } };
  const { unfinished } = await makeAudit(slow, makeOperator(slow, log))();
  expect(unfinished).toContainEqual({ phase: "rows", detail: expect.stringContaining("dispatcher audit") });
});
