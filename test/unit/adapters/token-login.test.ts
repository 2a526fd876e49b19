import { createHash, createHmac } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { makeTokenLogin } from "../../../shared/adapters/open-id/token-login.ts";
import { UnavailableError } from "../../../shared/errors.ts";
import { type Claims, startTokenIssuer, type TokenIssuer, unsigned } from "../../support/token-issuer.ts";

let issuer: TokenIssuer;
let other: TokenIssuer;
beforeAll(async () => {
  [issuer, other] = await Promise.all([startTokenIssuer(), startTokenIssuer()]);
});
afterAll(async () => {
  await issuer.close();
  await other.close();
});
afterEach(() => void vi.useRealTimers());

const loginOf = (url = issuer.url) => makeTokenLogin({ issuer: url, audience: "app" }, () => Date.now());

describe("the check of a login's token", () => {
  it("says who the person is, and in which groups", async () => {
    const login = loginOf();
    expect(await login.personOf(await issuer.sign({ groups: ["g-1", "g-2"] }))).toEqual({
      name: "ada@acme.example",
      groups: ["g-1", "g-2"],
    });
    const nameless = await issuer.sign({ preferred_username: undefined });
    expect(await login.personOf(nameless)).toEqual({ name: "o-1", groups: [] });
    const elsewhere = await issuer.sign({ preferred_username: undefined, oid: undefined });
    expect(await login.personOf(elsewhere)).toMatchObject({ name: "s-1" });
  });

  const wrong: readonly { readonly what: string; readonly claims: Claims; readonly says: RegExp }[] = [
    { what: "of a login that is over", claims: { expiresIn: -120 }, says: /^The login is over/ },
    { what: "that never ends", claims: { exp: undefined }, says: /"exp"/ },
    { what: "of later", claims: { nbf: Math.floor(Date.now() / 1000) + 600 }, says: /"nbf"/ },
    { what: "for another application", claims: { aud: "other" }, says: /"aud"/ },
    { what: "for nobody's application", claims: { aud: undefined }, says: /"aud"/ },
    { what: "that names another issuer", claims: { iss: "https://evil.example" }, says: /"iss"/ },
    { what: "of nobody", claims: { sub: undefined }, says: /claim sub/ },
    { what: "whose groups are no list", claims: { groups: "g-1" }, says: /claim groups/ },
    {
      what: "that leaves the groups out",
      claims: { _claim_names: { groups: "src1" } },
      says: /leaves your groups out, because you are in too many/,
    },
  ];
  it.each(wrong)("refuses one $what", async ({ claims, says }) => {
    expect(await loginOf().personOf(await issuer.sign(claims))).toEqual({ refused: expect.stringMatching(says) });
  });

  it("refuses one that another issuer signed, that nobody signed, or that was changed", async () => {
    const right = await issuer.sign();
    const [head = "", body = "", signature = ""] = right.split(".");
    const raised = Buffer.from(
      JSON.stringify({ ...JSON.parse(Buffer.from(body, "base64url").toString()), groups: ["admins"] }),
    );
    const forged = {
      "another issuer's": await other.sign({ iss: issuer.url }),
      "nobody's": unsigned(right),
      changed: `${head}.${raised.toString("base64url")}.${signature}`,
      "signed with what is public": await signedWithPublicKey(body),
      garbage: "x.y.z",
      empty: "",
    };
    for (const [what, token] of Object.entries(forged))
      expect([what, await loginOf().personOf(token)]).toEqual([what, { refused: expect.any(String) }]);
  });

  it("asks for the keys once, and again if a token names a new one", async () => {
    const own = await startTokenIssuer();
    onTestFinished(() => own.close());
    const login = loginOf(own.url);
    await Promise.all([login.personOf(await own.sign()), login.personOf(await own.sign())]);
    expect(own.asked).toEqual(["/tenant/.well-known/openid-configuration", "/tenant/keys"]);
    await own.rotate();
    // A new key is asked for at most twice a minute, so that no stranger makes it ask more often.
    expect(await login.personOf(await own.sign())).toMatchObject({ refused: expect.any(String) });
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 31_000 });
    expect(await login.personOf(await own.sign())).toMatchObject({ name: "ada@acme.example" });
    expect(own.asked).toHaveLength(3);
  });

  it("says that the issuer is away, which is no fault of the token", async () => {
    const own = await startTokenIssuer();
    const token = await own.sign();
    await own.close();
    await expect(loginOf(own.url).personOf(token)).rejects.toThrow(UnavailableError);
  });

  it("believes no description of another issuer", async () => {
    const own = await startTokenIssuer({ describes: "https://evil.example" });
    onTestFinished(() => own.close());
    await expect(loginOf(own.url).personOf(await own.sign())).rejects.toThrow(/can't be checked/);
  });
});

/** Signs with the published key as if it were a secret that both sides have. */
async function signedWithPublicKey(body: string): Promise<string> {
  const published = await (await fetch(`${issuer.url}/keys`)).text();
  const head = Buffer.from('{"alg":"HS256","kid":"key-1"}').toString("base64url");
  const secret = createHash("sha256").update(published).digest();
  return `${head}.${body}.${createHmac("sha256", secret).update(`${head}.${body}`).digest("base64url")}`;
}
