import { makeCommand, portNumber } from "../shared/command-line.ts";
import { loadApp } from "./core-api.ts";
import { errorStack } from "./error-stack.ts";
import { type Host, startHost } from "./host.ts";
import { readHostJson } from "./host-json.ts";
import { makeHostLog } from "./host-log.ts";
import { freePort, LOOPBACK } from "./http-listener.ts";

// Runs a Functions app on one machine, or in one container. The environment holds the app's settings. Prints one line
// of JSON when all triggers are up.

const COMMAND = makeCommand("host")
  .usage("--app <file> --host-json <file> [options]")
  .description("Runs a Functions app on this machine, or in a container, until it is ended.")
  .requiredOption("--app <file>", "the app's bundle")
  .requiredOption("--host-json <file>", "the host's own settings")
  .option("--port <n>", "where it listens; 0 takes a free one", portNumber, 0)
  .option("--address <address>", "the address on which it listens", LOOPBACK)
  .addHelpText(
    "after",
    `
The environment is the app's settings.
LOCAL_FUNCTION_KEY there is the key of its functions.`,
  );
const GRACE_MS = 30_000;

const args = COMMAND.parse().opts();
const log = makeHostLog(gathered((text) => process.stderr.write(text)));
let host: Host | undefined;
let stopping = false;

function stop(): void {
  if (stopping) return;
  stopping = true;
  // Before the triggers are up, there is nothing to wait for. The program ends itself, because in a container it is the
  // first process, for which the kernel ignores a signal.
  if (host === undefined) process.exit(0);
  host.stop(GRACE_MS).then(
    () => process.exit(0),
    (error: unknown) => {
      log.system("error", `stopping failed: ${errorStack(error)}`);
      process.exit(1);
    },
  );
}

/** Gathers the lines of one turn of the event loop, because each write is a system call that the loop waits for. */
function gathered(write: (text: string) => void): (line: string) => void {
  let text = "";
  const flush = () => {
    const whole = text;
    text = "";
    if (whole !== "") write(whole);
  };
  process.on("exit", flush);
  return (line) => {
    if (text === "") setImmediate(flush);
    text += line;
  };
}

process.on("SIGTERM", stop);
process.on("SIGINT", stop);
process.on("disconnect", stop);
// The parent ended before this program listened for that. It is undefined in a program that has no such parent.
if (Object.is(process.connected, false)) stop();

try {
  const functionKey = process.env["LOCAL_FUNCTION_KEY"];
  const hostJson = await readHostJson(args.hostJson);
  const app = await loadApp(args.app, (level, text) => log.system(level, text));
  const port = await freePort(args.port, args.address);
  if (port !== args.port) log.system("warning", `port ${args.port} is in use by another program; taking a free one`);
  host = await startHost({
    hostJson,
    app,
    settings: process.env,
    port,
    address: args.address,
    ...(functionKey ? { functionKey } : {}),
    log,
  });
  process.stdout.write(`${JSON.stringify({ ready: true, port: host.port, functions: host.functions })}\n`);
} catch (error) {
  log.system("error", errorStack(error));
  process.exit(1);
}
