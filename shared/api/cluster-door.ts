import type { Login, Person } from "../ports/login.ts";
import { type Caller, isAtLeast, type Role } from "./caller.ts";
import { bearerOf, type Door, type WebRequest } from "./door.ts";
import { ProblemError } from "./problem.ts";

/** How people log in to the page of a cluster: at a proxy, which sends their ID token with each request. */
interface ProxyLogin {
  /** Where people find the proxy, such as `https://dispatcher.acme.example`. */
  readonly origin: string;
  readonly login: Login;
  /** The role of each group that has one, by the group's id. */
  readonly roles: ReadonlyMap<string, Role>;
}

/** The Host of a request over a port-forward, or on the machine itself. */
const LOOPBACK = /^(localhost|127\.0\.0\.1)(:\d{1,5})?$/;
/** Headers that a proxy adds, and no browser. */
const OF_PROXIES = /^(authorization|via|forwarded|x-forwarded-.*|x-auth-request-.*|x-original-.*|x-real-ip)$/;

/**
 * Makes the door of the app's own page and API. It has two ways in, which it tells apart by the Host.
 * - At localhost anyone may look, because it takes a right in the cluster to forward a port. Nothing can be done there.
 * - At the origin of `proxied` each request to the API needs a token that the issuer signed. Its groups say which role
 *   the person has. No other header says who asks, so that a forged one is worth nothing. Without `proxied` this way is
 *   closed.
 */
export function makeClusterDoor(of: Pick<Door, "room" | "page">, proxied: ProxyLogin | undefined): Door {
  const publicHost = proxied && new URL(proxied.origin).host;
  return {
    ...of,
    originOf(host) {
      if (LOOPBACK.test(host)) return `http://${host}`;
      if (proxied && host === publicHost) return proxied.origin;
      throw new ProblemError(
        "wrong-host",
        `This page answers to localhost, over a port-forward${proxied ? `, and to ${proxied.origin}` : ""}.`,
      );
    },
    async callerOf(request) {
      const isLocal = LOOPBACK.test((request.headers.get("host") ?? "").toLowerCase());
      if (isLocal || !proxied) return lookerOf(request);
      return callerFrom(await personOf(proxied.login, request), proxied.roles);
    },
  };
}

/** The caller of a request over a port-forward. */
function lookerOf({ method, headers }: WebRequest): Caller {
  const added = [...headers.keys()].find((name) => OF_PROXIES.test(name));
  if (added !== undefined)
    throw new ProblemError(
      "wrong-host",
      `This request came by a proxy, because it has the header ${added}. A proxy has to pass the Host on as it came.`,
    );
  if (method !== "GET")
    throw new ProblemError(
      "read-only",
      "Over a port-forward nothing can be changed. Act with the command: dispatcher ui --act",
    );
  return { role: "viewer", hasToken: false, who: async () => "nobody" };
}

async function personOf(login: Login, { headers }: WebRequest): Promise<Person> {
  const token = bearerOf(headers);
  if (token === "")
    throw new ProblemError(
      "no-login",
      "The proxy sent no token. Let it pass the ID token on, as authorization: Bearer TOKEN.",
    );
  const person = await login.personOf(token);
  if ("refused" in person) throw new ProblemError("no-login", person.refused);
  return person;
}

/** The caller that a person is. A browser has to say where a request comes from, because the proxy's cookie is no proof. */
function callerFrom({ name, groups }: Person, roles: ProxyLogin["roles"]): Caller {
  const [role, ...others] = groups.flatMap((group) => roles.get(group) ?? []);
  if (role === undefined)
    throw new ProblemError(
      "not-allowed",
      `You are ${name}, and ${groups.length === 0 ? "your login names no group" : "none of your groups has a role here"}. PAGE_GROUPS says which groups have one.`,
    );
  const highest = others.reduce((best, one) => (isAtLeast(one, best) ? one : best), role);
  return { role: highest, hasToken: false, who: async () => name };
}
