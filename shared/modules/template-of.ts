import { createHash } from "node:crypto";
import type { Module } from "./module.ts";

/** Names what a module's Jobs are made from, in 16 hex digits: another template has another name. */
export function templateOf({ work, publishes }: Module): string {
  return createHash("sha256").update(JSON.stringify({ work, publishes })).digest("hex").slice(0, 16);
}
