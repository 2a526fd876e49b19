import { createHash } from "node:crypto";
import type { Module } from "./module.ts";

/** Names the template of a module's Jobs by 16 hex digits. Another template has another name. */
export function templateOf({ work, publishes }: Module): string {
  return createHash("sha256").update(JSON.stringify({ work, publishes })).digest("hex").slice(0, 16);
}
