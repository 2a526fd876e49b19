import { createHmac, timingSafeEqual } from "node:crypto";

/** The name and value of the key that every client signs with. */
export const SHARED_KEY = { name: "local", value: "local" } as const;

/**
 * Says what is wrong with the `authorization` header of a request for this path, in the service's words; undefined if
 * nothing is. A token is valid for the path that it names and all paths below it, until it expires.
 */
export function tokenProblem(header: string | undefined, path: string, nowMs: number): string | undefined {
  if (header === undefined) return "MissingToken: The authorization header was not found.";
  const fields = new Map(
    header
      .replace(/^SharedAccessSignature\s+/i, "")
      .split("&")
      .map((field): [string, string] => [field.slice(0, field.indexOf("=")), field.slice(field.indexOf("=") + 1)]),
  );
  const [resource = "", signature = "", expiry = ""] = ["sr", "sig", "se"].map((name) => fields.get(name));
  if (resource === "" || signature === "" || !/^\d+$/.test(expiry))
    return "MalformedToken: The credentials contained in the authorization header are malformed.";
  // The client signs the resource as it wrote it, encoded.
  const wanted = createHmac("sha256", SHARED_KEY.value).update(`${resource}\n${expiry}`).digest();
  const given = Buffer.from(decoded(signature), "base64");
  if (fields.get("skn") !== SHARED_KEY.name || given.length !== wanted.length || !timingSafeEqual(given, wanted))
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
