import { createHmac } from "node:crypto";

/** A token for a resource of the local broker, such as `sb://any.host/q`, as a client signs it with the broker's key. */
export function signedToken(resource: string, expiresInMs = 60_000): string {
  const sr = encodeURIComponent(resource);
  const se = Math.floor((Date.now() + expiresInMs) / 1000);
  const sig = createHmac("sha256", "local").update(`${sr}\n${se}`).digest("base64");
  return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(sig)}&se=${se}&skn=local`;
}
