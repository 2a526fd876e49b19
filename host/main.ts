import { parseArgs } from "node:util";
import { loadApp } from "./core-api.ts";
import { errorStack } from "./error-stack.ts";
import { type Host, startHost } from "./host.ts";
import { readHostJson } from "./host-json.ts";
import { makeHostLog } from "./host-log.ts";
import { freePort, LOOPBACK } from "./http-listener.ts";

// A Functions host for one machine, or one container. Its environment is the app's settings. Prints one line of JSON when all triggers are up.

interface Args {
  readonly app: string;
  readonly hostJson: string;
  readonly port: number;
  readonly address: string;
}

const USAGE =
  "usage: host --app FILE --host-json FILE [--port N] [--address ADDRESS]   (function keys: LOCAL_FUNCTION_KEY)";
const GRACE_MS = 30_000;

/** Undefined where the flags are wrong, which is said on stderr. */
function readArgs(): Args | undefined {
  try {
    const { values } = parseArgs({
      options: {
        app: { type: "string" },
        "host-json": { type: "string" },
        port: { type: "string", default: "0" },
        address: { type: "string", default: LOOPBACK },
      },
    });
    const port = Number(values.port);
    if (values.app && values["host-json"] && Number.isInteger(port) && port >= 0 && port < 65_536)
      return { app: values.app, hostJson: values["host-json"], port, address: values.address };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  }
  process.stderr.write(`${USAGE}\n`);
  return undefined;
}

const args = readArgs() ?? process.exit(2);
const log = makeHostLog((line) => process.stderr.write(line));
let host: Host | undefined;
let stopping = false;

function stop(): void {
  if (stopping) return;
  stopping = true;
  // Nothing to wait for before the triggers are up. A container's first process has to end itself: the kernel ignores a signal for it.
  if (host === undefined) process.exit(0);
  host.stop(GRACE_MS).then(
    () => process.exit(0),
    (error: unknown) => {
      log.system("error", `stopping failed: ${errorStack(error)}`);
      process.exit(1);
    },
  );
}

process.on("SIGTERM", stop);
process.on("SIGINT", stop);
process.on("disconnect", stop);

try {
  const functionKey = process.env["LOCAL_FUNCTION_KEY"];
  const hostJson = await readHostJson(args.hostJson);
  const app = await loadApp(args.app, (level, text) => log.system(level, text));
  const port = await freePort(args.port, args.address);
  if (port !== args.port) log.system("warning", `port ${args.port} is in use by another program: taking a free one`);
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
