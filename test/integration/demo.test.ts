import { expect, test } from "vitest";
import { SAMPLES } from "../../local/demo/samples.ts";
import { sourceName } from "../../shared/run/source.ts";
import { runProgram } from "../support/run-program.ts";

/** The description in the line of a sample: some words if it is a dead letter, and none if not. */
const descriptionOf = (reason: string | undefined): unknown =>
  expect.stringMatching(reason === undefined ? /^$/ : /\S/);

test("the demo runs every sample from the bus to a Job and back, and each ends as it says", async () => {
  const running = runProgram("cli", { args: ["demo", "--json"] });
  const code = await running.ended;
  // Compares both at once, so that a failure shows the errors.
  expect({ code, stderr: running.said.stderr }).toEqual({ code: 0, stderr: "" });
  const lines = running.said.stdout
    .trim()
    .split("\n")
    .map((line): unknown => JSON.parse(line));

  const found = lines.slice(0, -1);
  expect(found).toEqual(
    SAMPLES.map(({ source, message, expect: { module, outcome, reason, attempts } }) => ({
      messageId: message.messageId,
      sequenceNumber: expect.any(Number),
      source: sourceName(source),
      module: module ?? null,
      outcome,
      reason: reason ?? null,
      description: descriptionOf(reason),
      attempts,
      jobs: Array.from({ length: attempts }, (_, index) =>
        expect.stringMatching(new RegExp(`^${module}-[a-z0-9]+-[a-z0-9]+-${index + 1}$`)),
      ),
      seconds: expect.any(Number),
    })),
  );
  const deadLettered = SAMPLES.filter((sample) => sample.expect.outcome === "dead-lettered").length;
  const completed = SAMPLES.length - deadLettered;
  expect(lines.at(-1)).toEqual({ summary: { sent: SAMPLES.length, completed, deadLettered, lost: 0 } });
}, 90_000);
