import { ROLES, type Role } from "../api/caller.ts";
import type { SettingReader } from "./setting-reader.ts";

/** How the app serves its page. */
export interface PageSettings {
  /** How people log in who come by a proxy. Undefined if the page is for port-forwards alone. */
  readonly login?: {
    readonly origin: string;
    readonly issuer: string;
    readonly audience: string;
    readonly roles: ReadonlyMap<string, Role>;
  };
}

const OF_LOGIN = ["PAGE_ISSUER", "PAGE_AUDIENCE", "PAGE_GROUPS"] as const;
/** What PAGE_AT is if nobody logs in. */
const LOCAL = "local";

/** Reads whether and how the app serves its page. Undefined if it does not. */
export function readPageSettings(read: SettingReader): PageSettings | undefined {
  const value = read.optional("PAGE_AT");
  const given = OF_LOGIN.filter((name) => read.optional(name) !== undefined);
  if (value === undefined || value === LOCAL) {
    if (given.length > 0)
      read.problem(
        `${given.join(" and ")}: nobody logs in, because PAGE_AT is ${value ?? "empty"}; write there where people find the proxy at which they log in, such as https://dispatcher.acme.example`,
      );
    return value === undefined ? undefined : {};
  }
  // A browser says only over https where a request comes from, and without that nothing is changed.
  if (!(value.startsWith("https://") && URL.canParse(value) && new URL(value).origin === value))
    read.refuse("PAGE_AT", "local, or the origin of a proxy at which people log in: https://dispatcher.acme.example");
  for (const name of OF_LOGIN)
    if (!given.includes(name))
      read.problem(`${name} is missing; write it, because people log in at ${value} (PAGE_AT)`);
  const issuer = read.text("PAGE_ISSUER");
  if (issuer !== "" && !isIssuer(issuer))
    read.refuse("PAGE_ISSUER", "the URL of an issuer: https://login.microsoftonline.com/TENANT/v2.0");
  return { login: { origin: value, issuer, audience: read.text("PAGE_AUDIENCE"), roles: readGroups(read) } };
}

/** An issuer of this machine may do without https. */
function isIssuer(value: string): boolean {
  return /^(https:\/\/|http:\/\/(localhost|127\.0\.0\.1)[:/])[^\s?#]+$/.test(value) && URL.canParse(value);
}

/** Reads `ROLE=GROUP,ROLE=GROUP`. If a group has several roles, the highest counts. */
function readGroups(read: SettingReader): ReadonlyMap<string, Role> {
  const pairs = read
    .text("PAGE_GROUPS")
    .split(",")
    .map((pair) => /^\s*(\w+)=(.*\S)\s*$/.exec(pair))
    .map((found) => ({ role: ROLES.find((role) => role === found?.[1]), group: found?.[2] ?? "" }));
  if (read.optional("PAGE_GROUPS") !== undefined && pairs.some(({ role }) => role === undefined))
    read.refuse("PAGE_GROUPS", `ROLE=GROUP, separated by commas; each ROLE is ${ROLES.join(", ")}`);
  const ascending = ROLES.flatMap((role) =>
    pairs.filter((pair) => pair.role === role).map(({ group }) => ({ group, role })),
  );
  return new Map(ascending.map(({ group, role }) => [group, role]));
}
