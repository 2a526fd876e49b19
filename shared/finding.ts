import { ConfigError, errorText, UnavailableError } from "./errors.ts";
import type { Module } from "./modules/module.ts";

/**
 * Something that will go wrong, or may. An `error` keeps messages from being worked, or breaks a promise; a `warning`
 * can wait until the next morning.
 */
export interface Finding {
  readonly level: "error" | "warning";
  /** The module that it is about. Undefined means all of them. */
  readonly module?: string;
  /** That module's file. */
  readonly file?: string;
  /** The field of the module's file, or the setting. */
  readonly field?: string;
  /** What is wrong, and what to do about it. */
  readonly text: string;
}

/** Says which module a finding is about. Undefined means all of them. */
export function aboutModule(module: Module | undefined): Pick<Finding, "module" | "file"> {
  return module ? { module: module.name, file: module.file } : {};
}

/**
 * Writes the text of an outage, or of a cluster that can't be used. Throws anything else again, because it is our bug.
 */
export function outageText(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof UnavailableError) return errorText(error);
  throw error;
}
