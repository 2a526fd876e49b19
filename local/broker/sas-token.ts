import { createHmac, timingSafeEqual } from "node:crypto";

/** The keys that a client may sign with, by their names. */
export type Keys = ReadonlyMap<string, string>;

/** The name of the broker's own key. */
export const KEY_NAME = "local";
/** The key of Microsoft's emulator, so that a client that is set up for the emulator can use this broker. */
const EMULATOR_KEY = ["RootManageSharedAccessKey", "SAS_KEY_VALUE"] as const;

/** The keys of a broker whose own key has this value. */
export function keysWith(own: string): Keys {
  return new Map([[KEY_NAME, own], EMULATOR_KEY]);
}

/**
 * Says what is wrong with a client's token for this path, in the service's words; undefined if nothing is. A token is
 * valid for the path that it names and all paths below it, until it expires.
 */
export function tokenProblem(
  token: string | undefined,
  { path, keys, nowMs }: { readonly path: string; readonly keys: Keys; readonly nowMs: number },
): string | undefined {
  if (token === undefined) return "MissingToken: The authorization header was not found.";
  const fields = new Map(
    token
      .replace(/^SharedAccessSignature\s+/i, "")
      .split("&")
      .map((field): [string, string] => [field.slice(0, field.indexOf("=")), field.slice(field.indexOf("=") + 1)]),
  );
  const [resource = "", signature = "", expiry = ""] = ["sr", "sig", "se"].map((name) => fields.get(name));
  if (resource === "" || signature === "" || !/^\d+$/.test(expiry))
    return "MalformedToken: The credentials contained in the authorization header are malformed.";
  // The client signs the resource as it wrote it, encoded.
  const key = keys.get(decoded(fields.get("skn") ?? ""));
  const wanted = createHmac("sha256", key ?? "")
    .update(`${resource}\n${expiry}`)
    .digest();
  const given = Buffer.from(decoded(signature), "base64");
  if (key === undefined || given.length !== wanted.length || !timingSafeEqual(given, wanted))
    return "InvalidSignature: The token has an invalid signature.";
  if (Number(expiry) * 1000 <= nowMs) return "ExpiredToken: The token is expired.";
  if (!isAtOrBelow(path, pathOf(decoded(resource)))) return "InvalidAudience: The token is for another entity.";
  return undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

/** The path in `sb://host/path`, `https://host/path?query`, or `host/path`. */
function pathOf(resource: string): string {
  return resource
    .replace(/^[a-z]+:\/\//i, "")
    .replace(/\?.*$/, "")
    .replace(/^[^/]*/, "");
}

function isAtOrBelow(path: string, top: string): boolean {
  const [inner, outer] = [path, top].map((one) => `${one.toLowerCase().replace(/\/+$/, "")}/`);
  return inner?.startsWith(outer ?? "") === true;
}
