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
