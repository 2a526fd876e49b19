import { expect, test } from "vitest";
import { userOfToken } from "../../cli/target/who-acts.ts";

const token = (claims: unknown) => `x.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.x`;

test.each([
  [token({ upn: "ada@acme.example", appid: "a" }), "ada@acme.example"],
  [token({ preferred_username: "ada@acme.example" }), "ada@acme.example"],
  [token({ upn: "", appid: "an-app", oid: "o" }), "an-app"],
  [token({ upn: 3 }), undefined],
  [token(null), undefined],
  ["no token", undefined],
  ["", undefined],
])("reads who a token of Azure was given to: %#", (given, who) => {
  expect(userOfToken(given)).toBe(who);
});
