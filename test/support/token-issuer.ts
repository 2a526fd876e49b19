import { createServer } from "node:http";
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
  /** Signs with a new key from now on, which it publishes beside the old one. */
  rotate(): Promise<void>;
  close(): Promise<void>;
}

/** Starts an issuer. `describes`: the issuer that its description names, if not itself. */
export async function startTokenIssuer({ describes }: { readonly describes?: string } = {}): Promise<TokenIssuer> {
  const keys = [await newKey("key-1")];
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const address = request.url ?? "";
    asked.push(address);
    const answers: Record<string, unknown> = {
      "/tenant/.well-known/openid-configuration": { issuer: describes ?? url, jwks_uri: `${url}/keys` },
      "/tenant/keys": { keys: keys.map(({ published }) => published) },
    };
    const answer = answers[address];
    response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  const url = `http://127.0.0.1:${typeof bound === "object" ? bound?.port : 0}/tenant`;
  return {
    url,
    asked,
    async sign({ expiresIn = 600, ...claims } = {}) {
      const now = Math.floor(Date.now() / 1000);
      const said = {
        iss: url,
        aud: "app",
        sub: "s-1",
        oid: "o-1",
        preferred_username: "ada@acme.example",
        iat: now,
        exp: now + expiresIn,
        ...claims,
      };
      const key = keys.at(-1);
      if (!key) throw new Error("the issuer has no key");
      const present = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
      return new SignJWT(present).setProtectedHeader({ alg: "RS256", kid: key.id }).sign(key.privateKey);
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
