import { Command, InvalidArgumentError } from "@commander-js/extra-typings";

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
