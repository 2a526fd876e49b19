import { z } from "zod";

const claims = z.object({ oid: z.string() });

/** Reads whom a token was given to, as an object id. az itself can only ask for it with rights on the directory. */
export function objectIdIn(token: string): string {
  return claims.parse(JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString())).oid;
}
