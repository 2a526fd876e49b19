import { expect, test } from "vitest";
import { forAll, type RunsListed } from "../../cli/runs/for-all.ts";
import { parsedBy, wordsOf } from "../support/parsed-command.ts";

test.each<{ listed: Omit<RunsListed, "most">; words: string[]; says: string }>([
  {
    listed: { which: "open", module: "thumbnail", status: "dispatched" },
    words: ["runs", "cancel"],
    says: "dispatcher runs ls --module=thumbnail --status=running --limit=500 --output=name | xargs -r dispatcher runs cancel '--why=too many'",
  },
  {
    listed: { which: "closed", source: "a b", exitCode: "4", since: "24h", until: "2026-01-31 08:00Z" },
    words: ["runs", "retry"],
    says: "dispatcher runs ls --closed '--source=a b' --exit-code=4 --since=24h '--until=2026-01-31 08:00Z' --limit=500 --output=name | xargs -r dispatcher runs retry '--why=too many'",
  },
  {
    listed: { which: "open", module: "-" },
    words: ["runs", "cancel"],
    says: "dispatcher runs ls --module=- --limit=500 --output=name | xargs -r dispatcher runs cancel '--why=too many'",
  },
])("what is done to all runs of a list has a command: $says", ({ listed, words, says }) => {
  const command = forAll({ ...listed, most: 500 }, words, { why: "too many" });
  expect(command).toBe(says);
  const [list = "", act = ""] = command.split(" | xargs -r ");
  expect(parsedBy(wordsOf(list))).toBe("");
  expect(parsedBy([...wordsOf(act), "thumbnails:1:1"])).toBe("");
});
