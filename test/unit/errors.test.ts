import { expect, it } from "vitest";
import { errorText } from "../../shared/errors.ts";

it("the text of an error goes on with its causes, without a full stop in the middle", () => {
  const refused = new Error("connect ECONNREFUSED 127.0.0.1:1");
  const cause = new Error("the table can't be used: no connection.", { cause: refused });
  expect(errorText(new Error("reading runs", { cause }))).toBe(
    "reading runs: the table can't be used: no connection: connect ECONNREFUSED 127.0.0.1:1",
  );
  expect(errorText(new Error("It ends."))).toBe("It ends.");
  expect(errorText("text")).toBe("text");
});

it("the text of an error doesn't repeat a cause that it quotes", () => {
  const cause = new Error("not asked again before noon, because it answered 429: too many.");
  expect(errorText(new Error(`listing Jobs: ${cause.message}`, { cause }))).toBe(
    "listing Jobs: not asked again before noon, because it answered 429: too many.",
  );
});
