import { Command, InvalidArgumentError } from "@commander-js/extra-typings";
import { parseDuration } from "./duration.ts";

/** The version in package.json: `build.js` puts it here. */
declare const PACKAGE_VERSION: string;

/**
 * Makes a command that answers --help and --version. A wrong argument ends the process with 2, after one sentence and a
 * hint on stderr.
 */
export function makeCommand(name: string) {
  return new Command(name)
    .version(PACKAGE_VERSION, "--version", "print the version, and end")
    .helpOption("-h, --help", "print this, and end")
    .showHelpAfterError("Add --help to see what this command takes.")
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
}

/** Parses an argument that is a whole number, `least` and `most` included. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
  };
}

/** Parses an argument that is a port. 0 has the system take a free one. */
export const portNumber = wholeNumber(0, 65_535);

/** Parses an argument that is a duration, such as `90s` or `1h`, as milliseconds. */
export function positiveDuration(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0) return ms;
  throw new InvalidArgumentError("Give a duration such as 90s, 5m, 1h or 1d.");
}
