import { expect, it } from "vitest";
import { forAll } from "../../../cli/runs/for-all.ts";
import { aimed } from "../../../ui/aimed.ts";

const TARGET = " '--context=my prod' --namespace=acme";
const all = forAll({ which: "open", most: 10_000 }, ["runs", "cancel"], { why: "a | b" });

it.each([
  { name: "has the flags", command: "dispatcher audit", target: TARGET, says: `dispatcher audit${TARGET}` },
  { name: "stays as it is if there are none", command: all, target: "", says: all },
  {
    name: "has them in both parts",
    command: all,
    target: TARGET,
    says: `dispatcher runs ls --limit=10000 --output=name${TARGET} | xargs -r dispatcher runs cancel '--why=a | b'${TARGET}`,
  },
  {
    name: "has them once",
    command: `dispatcher runs cancel a:1:1${TARGET} --dry-run`,
    target: TARGET,
    says: `dispatcher runs cancel a:1:1${TARGET} --dry-run`,
  },
  {
    name: "keeps the namespace of kubectl, and has the context",
    command: "kubectl -n jobs delete job a",
    target: TARGET,
    says: "kubectl -n jobs delete job a '--context=my prod'",
  },
])("a command of the page $name", ({ command, target, says }) => {
  expect(aimed(command, target)).toBe(says);
});
