import { expect, test } from "vitest";
import { parsedBy } from "../support/parsed-command.ts";

test.each([
  { timeout: "24d", says: /^$/ },
  { timeout: "25d", says: /Give 24d at most\.$/m },
  { timeout: "60d", says: /Give 24d at most\.$/m },
])("a wait lasts no longer than a timer can: $timeout", ({ timeout, says }) => {
  expect(parsedBy(["runs", "wait", "thumbnails:42:1", "--timeout", timeout])).toMatch(says);
});
