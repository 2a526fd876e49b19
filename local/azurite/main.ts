// Runs Azurite as a program of its own. It prints one JSON line on stdout when it is ready, and stays until SIGTERM,
// SIGINT, or the end of the process that forked it. `--directory PATH` keeps the data on disk; without it, everything
// is in memory.
import { type Command, parseFlags, readCommandLine } from "../../shared/command-line.ts";
import { startAzurite } from "./start-azurite.ts";

const COMMAND = {
  usage: "azurite [FLAGS]",
  does: "Serves tables and blobs as Azure Storage does, until it is ended.",
  flags: {
    directory: { type: "string", value: "PATH", says: "keeps the data there; without it, everything is in memory" },
  },
} as const satisfies Command;

const { values } = readCommandLine(COMMAND, (args) => parseFlags(COMMAND, args));
const azurite = await startAzurite(values.directory === undefined ? {} : { directory: values.directory });

let ending: Promise<void> | undefined;
const end = () => {
  ending ??= azurite.close().then(() => process.exit(0));
};
process.once("SIGTERM", end).once("SIGINT", end).once("disconnect", end);

// The signal handlers don't keep this process alive, but Azurite's pipe does.
console.log(JSON.stringify({ ready: true, connectionString: azurite.connectionString, pid: azurite.pid }));
