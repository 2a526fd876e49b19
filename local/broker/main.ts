import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { type BrokerEntities, parseEntities } from "./entities.ts";
import { type BrokerOptions, type LocalBroker, startBroker } from "./start-broker.ts";

const USAGE = "usage: broker --entities FILE.json [--port N]";

function log(message: string): void {
  process.stderr.write(`broker: ${message}\n`);
}

async function readOptions(): Promise<BrokerOptions> {
  const { values } = parseArgs({ options: { port: { type: "string", default: "0" }, entities: { type: "string" } } });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`--port ${values.port}: a port is 0 to 65535`);
  if (values.entities === undefined) throw new Error("--entities is missing");
  return { port, entities: await readEntities(values.entities), log };
}

async function readEntities(file: string): Promise<BrokerEntities> {
  try {
    return parseEntities(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

async function startOnSomePort(options: BrokerOptions): Promise<LocalBroker> {
  try {
    return await startBroker(options);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE")) throw error;
    const broker = await startBroker({ ...options, port: 0 });
    log(`port ${options.port} is taken by another program: using ${broker.port} instead`);
    return broker;
  }
}

async function main(): Promise<void> {
  const options = await readOptions().catch((error: unknown) => {
    log(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    process.exit(2);
  });
  const broker = await startOnSomePort(options);
  const stop = (): void => {
    void broker.close().then(() => process.exit(0));
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  // Started with a channel, it dies with its parent, however that one ended.
  process.on("disconnect", stop);
  process.stdout.write(
    `${JSON.stringify({ ready: true, port: broker.port, connectionString: broker.connectionString })}\n`,
  );
}

await main();
