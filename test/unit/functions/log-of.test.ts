import { expect, it } from "vitest";
import { logOf } from "../../../functions/log-of.ts";

it("names the instance on every line, because several may log to one place", () => {
  const lines: string[] = [];
  const say = (line: string) => void lines.push(line);
  const log = logOf({ info: say, warn: say, error: say }, "east");
  log.info("reconciled", { open: 1 });
  log.child({ runId: "r" }).warn("an attempt ended");
  log.error("a");
  expect(lines).toEqual([
    '{"message":"reconciled","instance":"east","open":1}',
    '{"message":"an attempt ended","instance":"east","runId":"r"}',
    '{"message":"a","instance":"east"}',
  ]);
});
