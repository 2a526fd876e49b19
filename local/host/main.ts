import { parseArgs } from "node:util";
import { loadApp } from "./core-api.ts";
import { errorStack } from "./error-stack.ts";
import { startHost } from "./host.ts";
import { readHostJson } from "./host-json.ts";
import { makeHostLog } from "./host-log.ts";
import { freePort } from "./http-listener.ts";

// A Functions host for one machine. Its environment is the app's settings. Prints one line of JSON when all triggers are up.

interface Args {
  readonly app: string;
  readonly hostJson: string;
  readonly port: number;
}

const USAGE = "usage: host --app FILE --host-json FILE [--port N]   (function keys: LOCAL_FUNCTION_KEY)";
const GRACE_MS = 30_000;

/** Undefined where the flags are wrong, which is said on stderr. */
function readArgs(): Args | undefined {
  try {
    const { values } = parseArgs({
      options: { app: { type: "string" }, "host-json": { type: "string" }, port: { type: "string", default: "0" } },
    });
    const port = Number(values.port);
    if (values.app && values["host-json"] && Number.isInteger(port) && port >= 0 && port < 65_536)
      return { app: values.app, hostJson: values["host-json"], port };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  }
  process.stderr.write(`${USAGE}\n`);
  return undefined;
}

const args = readArgs() ?? process.exit(2);
const log = makeHostLog((line) => process.stderr.write(line));
let stopping = false;

try {
  const functionKey = process.env["LOCAL_FUNCTION_KEY"];
  const hostJson = await readHostJson(args.hostJson);
  const app = await loadApp(args.app, (level, text) => log.system(level, text));
  const port = await freePort(args.port);
  if (port !== args.port) log.system("warning", `port ${args.port} is in use by another program: taking a free one`);
  const host = await startHost({
    hostJson,
    app,
    settings: process.env,
    port,
    ...(functionKey ? { functionKey } : {}),
    log,
  });
  const stop = () => {
    if (stopping) return;
    stopping = true;
    host.stop(GRACE_MS).then(
      () => process.exit(0),
      (error: unknown) => {
        log.system("error", `stopping failed: ${errorStack(error)}`);
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("disconnect", stop);
  process.stdout.write(`${JSON.stringify({ ready: true, port: host.port, functions: host.functions })}\n`);
} catch (error) {
  log.system("error", errorStack(error));
  process.exit(1);
}
