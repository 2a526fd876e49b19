import { createServer, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

/** What a token says, beside who issued it. Times are seconds from now. */
export interface Claims {
  readonly [claim: string]: unknown;
  readonly expiresIn?: number | undefined;
}

/** An issuer of OpenID Connect, on loopback. */
export interface TokenIssuer {
  /** Its URL, as its tokens have it in `iss`. */
  readonly url: string;
  /** Which of its addresses were asked, in order. */
  readonly asked: string[];
  /** Signs a token of a person for the application `app`. A claim that is undefined is left out. */
  sign(claims?: Claims): Promise<string>;
  /** Whoever is sent to it to log in is this person from now on. */
  logIn(person: Claims): void;
  /** Signs with a new key from now on, which it publishes beside the old one. */
  rotate(): Promise<void>;
  close(): Promise<void>;
}

/** Starts an issuer. `describes`: the issuer that its description names, if not itself. */
export async function startTokenIssuer({ describes }: { readonly describes?: string } = {}): Promise<TokenIssuer> {
  const keys = [await newKey("key-1")];
  const asked: string[] = [];
  let person: Claims = {};
  /** What each code and each refresh token stands for. */
  const granted = new Map<string, Claims>();
  const grant = (claims: Claims) => {
    const secret = `secret-${granted.size}`;
    granted.set(secret, claims);
    return secret;
  };
  const description = () => ({
    issuer: describes ?? url,
    jwks_uri: `${url}/keys`,
    authorization_endpoint: `${url}/authorize`,
    token_endpoint: `${url}/token`,
    id_token_signing_alg_values_supported: ["RS256"],
  });
  /** Gives tokens for a code, or for a refresh token. */
  async function tokensFor(request: IncomingMessage): Promise<unknown> {
    const form = new URLSearchParams(await text(request));
    asked.push(form.get("grant_type") ?? "");
    const claims = granted.get(form.get("code") ?? form.get("refresh_token") ?? "");
    if (!claims) return undefined;
    const { nonce: _, ...later } = claims;
    const kept = { token_type: "Bearer", expires_in: 600, access_token: "opaque", refresh_token: grant(later) };
    return { ...kept, id_token: await sign(claims) };
  }
  async function answerTo(request: IncomingMessage): Promise<unknown> {
    const { pathname, searchParams } = new URL(request.url ?? "", url);
    if (pathname === "/tenant/.well-known/openid-configuration") return description();
    if (pathname === "/tenant/keys") return { keys: keys.map(({ published }) => published) };
    if (pathname === "/tenant/token") return tokensFor(request);
    if (pathname !== "/tenant/authorize") return undefined;
    const to = new URL(searchParams.get("redirect_uri") ?? "");
    to.searchParams.set("state", searchParams.get("state") ?? "");
    to.searchParams.set("code", grant({ ...person, nonce: searchParams.get("nonce") ?? undefined }));
    return to;
  }
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    void answerTo(request).then((answer) => {
      if (answer instanceof URL) return response.writeHead(302, { location: answer.href }).end();
      response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" });
      return response.end(JSON.stringify(answer ?? {}));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  const url = `http://127.0.0.1:${typeof bound === "object" ? bound?.port : 0}/tenant`;
  async function sign({ expiresIn = 600, ...claims }: Claims = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const said = {
      iss: url,
      aud: "app",
      sub: "s-1",
      oid: "o-1",
      tid: "t-1",
      preferred_username: "ada@acme.example",
      iat: now,
      exp: now + expiresIn,
      ...claims,
    };
    const key = keys.at(-1);
    if (!key) throw new Error("the issuer has no key");
    const present = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
    return new SignJWT(present).setProtectedHeader({ alg: "RS256", kid: key.id }).sign(key.privateKey);
  }
  return {
    url,
    asked,
    sign,
    logIn(claims) {
      person = claims;
    },
    async rotate() {
      keys.push(await newKey(`key-${keys.length + 1}`));
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function newKey(id: string) {
  const { publicKey, privateKey } = await generateKeyPair("RS256");
  return { id, privateKey, published: { ...(await exportJWK(publicKey)), kid: id, alg: "RS256", use: "sig" } };
}

/** Writes a token that nobody signed, as `alg: none` has it. */
export function unsigned(token: string): string {
  const header = Buffer.from('{"alg":"none"}').toString("base64url");
  return `${header}.${token.split(".")[1]}.`;
}
