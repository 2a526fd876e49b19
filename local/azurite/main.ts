// Runs Azurite as a program of its own. It prints one JSON line on stdout when it is ready, and stays until SIGTERM,
// SIGINT, or the end of the process that forked it. `--directory PATH` keeps the data on disk; without it, everything
// is in memory.
import { Command } from "@commander-js/extra-typings";
import { startAzurite } from "./start-azurite.ts";

/** The version in package.json: the build puts it here. */
declare const PACKAGE_VERSION: string;

const flags = new Command("azurite")
  .description("Serves tables and blobs as Azure Storage does, until it is ended.")
  .version(PACKAGE_VERSION, "--version", "print the version, and end")
  .helpOption("-h, --help", "print this, and end")
  .showHelpAfterError("Add --help to see what this program takes.")
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .option("--directory <path>", "keeps the data there; without it, everything is in memory")
  .parse()
  .opts();
const azurite = await startAzurite(flags);

let ending: Promise<void> | undefined;
const end = () => {
  ending ??= azurite.close().then(() => process.exit(0));
};
process.once("SIGTERM", end).once("SIGINT", end).once("disconnect", end);

// The signal handlers don't keep this process alive, but Azurite's pipe does.
console.log(JSON.stringify({ ready: true, connectionString: azurite.connectionString, pid: azurite.pid }));
