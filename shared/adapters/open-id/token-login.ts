import { createDefaultHttpClient, createPipelineFromOptions, createPipelineRequest } from "@azure/core-rest-pipeline";
import { createRemoteJWKSet, customFetch, errors, jwtVerify } from "jose";
import { z } from "zod";
import { UnavailableError } from "../../errors.ts";
import { once } from "../../once.ts";
import type { Login, Person } from "../../ports/login.ts";

/** Whose tokens are taken, and of which application. */
interface TokenIssuer {
  /** The URL of an issuer of OpenID Connect, as its tokens have it in `iss`. */
  readonly issuer: string;
  /** The id of the application that people log in to, as the tokens have it in `aud`. */
  readonly audience: string;
}

/** The signatures that are taken. None of them needs a secret that both sides have. */
const ALGORITHMS = ["RS256", "PS256", "ES256"];
/** So far the clocks of issuer and pod may differ. */
const TOLERANCE_SECONDS = 60;
const TIMEOUT_MS = 10_000;
/** The codes of errors that say that the issuer's keys could not be read. All others are about the token. */
const OF_THE_ISSUER = new Set(["ERR_JWKS_TIMEOUT", "ERR_JWKS_INVALID", "ERR_JOSE_GENERIC"]);

const discovery = z.object({ issuer: z.string(), jwks_uri: z.url() });
const claims = z.object({
  sub: z.string().min(1).max(256),
  /** Entra's id of the person, which never changes. */
  oid: z.string().min(1).max(256).optional(),
  preferred_username: z.string().min(1).max(256).optional(),
  groups: z.array(z.string()).default([]),
  /** Says where groups are to be asked for, if there are too many for a token. */
  _claim_names: z.object({ groups: z.unknown() }).partial().optional(),
});

/**
 * Makes what checks the ID tokens of an issuer: signature, issuer, audience and time. The keys are found by the issuer's
 * own description, kept, and asked for again if a token names a new one.
 */
export function makeTokenLogin({ issuer, audience }: TokenIssuer, now: () => number): Login {
  const ask = makeAsk({ isPlain: issuer.startsWith("http:") });
  const keys = once(async () => {
    const found = await find(ask, issuer);
    return createRemoteJWKSet(found, { [customFetch]: ask, timeoutDuration: TIMEOUT_MS });
  });
  return {
    async personOf(token) {
      const getKey = await keys();
      const currentDate = new Date(now());
      const checks = { issuer, audience, currentDate, algorithms: ALGORITHMS, clockTolerance: TOLERANCE_SECONDS };
      try {
        const { payload } = await jwtVerify(token, getKey, { ...checks, requiredClaims: ["exp"] });
        return personIn(payload);
      } catch (error) {
        if (!(error instanceof errors.JOSEError)) throw error;
        if (OF_THE_ISSUER.has(error.code)) throw away(issuer, error);
        if (error instanceof errors.JWTExpired) return { refused: "The login is over. Load the page again to log in." };
        return { refused: `The token is refused: ${error.message}.` };
      }
    },
  };
}

function personIn(payload: unknown): Person | { readonly refused: string } {
  const parsed = claims.safeParse(payload);
  if (!parsed.success) {
    const [claim] = parsed.error.issues.map(({ path }) => path.join("."));
    return { refused: `The token is refused: its claim ${claim} can't be understood.` };
  }
  const { sub, oid, preferred_username: name, groups, _claim_names: elsewhere } = parsed.data;
  if (elsewhere?.groups !== undefined)
    return {
      refused:
        "The token leaves your groups out, because you are in too many. Let the application's registration name only the groups that are assigned to it.",
    };
  return { name: name ?? oid ?? sub, groups };
}

type Ask = (url: string, options?: { readonly signal?: AbortSignal | null | undefined }) => Promise<Response>;

/** Finds the address of an issuer's keys, as OpenID Connect Discovery says. */
async function find(ask: Ask, issuer: string): Promise<URL> {
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const response = await ask(url);
  const text = await response.text();
  if (response.status !== 200) throw away(issuer, new Error(`${url} answered ${response.status}`));
  const parsed = discovery.safeParse(jsonIn(text));
  if (!parsed.success) throw away(issuer, new Error(`${url} does not describe an issuer`));
  if (parsed.data.issuer !== issuer)
    throw away(issuer, new Error(`${url} describes the issuer ${parsed.data.issuer}. Write that one in PAGE_ISSUER`));
  return new URL(parsed.data.jwks_uri);
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Makes what asks an issuer as Azure is asked: through the proxy of HTTPS_PROXY, if there is one. */
function makeAsk({ isPlain }: { readonly isPlain: boolean }): Ask {
  const pipeline = createPipelineFromOptions({ retryOptions: { maxRetries: 1 } });
  const client = createDefaultHttpClient();
  return async (url, { signal } = {}) => {
    const request = createPipelineRequest({
      url,
      timeout: TIMEOUT_MS,
      allowInsecureConnection: isPlain,
      ...(signal ? { abortSignal: signal } : {}),
    });
    try {
      const { status, bodyAsText } = await pipeline.sendRequest(client, request);
      return new Response(bodyAsText ?? "", { status });
    } catch (error) {
      throw away(url, error);
    }
  };
}

function away(what: string, cause: unknown): UnavailableError {
  return new UnavailableError(`The logins can't be checked, because ${what} does not answer as it should`, { cause });
}
