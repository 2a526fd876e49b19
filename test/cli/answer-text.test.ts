import { expect, test } from "vitest";
import { answerText } from "../../cli/repair/words.ts";
import { refused } from "../../shared/operate/answer.ts";
import { T0 } from "../support/a-run.ts";
import { subcommands } from "../support/subcommands.ts";

test("a refused redrive names the command that ends the one at work, with its source", () => {
  const text = answerText(refused({ because: "redrive at work", who: "ann", orderedAt: T0 }), "images/small ones");
  const [, command] = /dispatcher (\w+ \w+) 'images\/small ones'$/.exec(text) ?? [];
  expect(subcommands().map(({ name }) => name)).toContain(command);
});
