import { expect, it } from "vitest";
import { isNcrontab } from "../../../shared/settings/ncrontab.ts";

it.each([
  "* * * * * *",
  "*/10 * * * * *",
  "0 0,30 8-18/2 1-31 1,6-12 0-6",
  "0 0 0 1 JAN sun",
  "0 0 0 * january-MAR Monday-FRI",
  "5/15 * * * * *",
])("takes %s for a schedule", (text) => {
  expect(isNcrontab(text)).toBe(true);
});

it.each([
  "",
  "* * * * *",
  "* * * * * * *",
  "60 * * * * *",
  "* 60 * * * *",
  "* * 24 * * *",
  "* * * 0 * *",
  "* * * * 13 *",
  "* * * * * 7",
  "*/0 * * * * *",
  "*/x * * * * *",
  "5-1 * * * * *",
  "1-2-3 * * * * *",
  "1, * * * * *",
  "- * * * * *",
  "JAN * * * * *",
  "00:00:10",
])("takes %j for none", (text) => {
  expect(isNcrontab(text)).toBe(false);
});
