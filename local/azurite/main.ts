// Runs Azurite as a program of its own. It prints one JSON line on stdout when it is ready, and stays until SIGTERM,
// SIGINT, or the end of the process that forked it. `--directory PATH` keeps the data on disk; without it, everything
// is in memory.
import { makeCommand } from "../../shared/command-line.ts";
import { endWith } from "../kit/end-with.ts";
import { startAzurite } from "./start-azurite.ts";

const flags = makeCommand("azurite")
  .description("Serves tables and blobs as Azure Storage does, until it is ended.")
  .option("--directory <path>", "keeps the data there; without it, everything is in memory")
  .parse()
  .opts();
const azurite = await startAzurite(flags);

endWith(() => azurite.close());

// The signal handlers don't keep this process alive, but Azurite's pipe does.
console.log(JSON.stringify({ ready: true, connectionString: azurite.connectionString, pid: azurite.pid }));
