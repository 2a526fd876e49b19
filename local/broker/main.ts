import { readFile } from "node:fs/promises";
import { Command, InvalidArgumentError } from "@commander-js/extra-typings";
import { type BrokerEntities, parseEntities } from "./entities.ts";
import { type BrokerOptions, type LocalBroker, startBroker } from "./start-broker.ts";

/** The version in package.json: the build puts it here. */
declare const PACKAGE_VERSION: string;

const COMMAND = new Command("broker")
  .usage("--entities <file> [options]")
  .description("Serves queues and topics as Azure Service Bus does, until it is ended.")
  .version(PACKAGE_VERSION, "--version", "print the version, and end")
  .helpOption("-h, --help", "print this, and end")
  .showHelpAfterError("Add --help to see what this program takes.")
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .requiredOption("--entities <file>", "JSON that lists the queues and topics")
  .option("--journal <file>", "keeps the messages there; without it, they are in memory")
  .option("--port <n>", "where it listens; 0 takes a free one", port, 0)
  .option("--key <text>", "the key that clients sign with", "local");

function log(message: string): void {
  process.stderr.write(`broker: ${message}\n`);
}

function port(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new InvalidArgumentError("Give a port: 0 to 65535.");
}

async function readEntities(file: string): Promise<BrokerEntities> {
  try {
    return parseEntities(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    return COMMAND.error(`error: ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function startOnSomePort(options: BrokerOptions): Promise<LocalBroker> {
  try {
    return await startBroker(options);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE")) throw error;
    const broker = await startBroker({ ...options, port: 0 });
    log(`port ${options.port} is in use by another program; using ${broker.port} instead`);
    return broker;
  }
}

async function main(): Promise<void> {
  const { port, key, entities: file, journal } = COMMAND.parse().opts();
  const entities = await readEntities(file);
  const broker = await startOnSomePort({ port, key, entities, log, ...(journal === undefined ? {} : { journal }) });
  const stop = (): void => {
    void broker.close().then(() => process.exit(0));
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  // A broker that was started with an IPC channel ends with its parent, however that one ended.
  process.on("disconnect", stop);
  process.stdout.write(
    `${JSON.stringify({ ready: true, port: broker.port, connectionString: broker.connectionString })}\n`,
  );
}

await main();
