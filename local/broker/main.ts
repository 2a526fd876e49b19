import { readFile } from "node:fs/promises";
import { makeCommand, portNumber } from "../../shared/command-line.ts";
import { endWith } from "../kit/end-with.ts";
import { type BrokerEntities, parseEntities } from "./entities.ts";
import { type BrokerOptions, type LocalBroker, startBroker } from "./start-broker.ts";

const COMMAND = makeCommand("broker")
  .usage("--entities <file> [options]")
  .description("Serves queues and topics as Azure Service Bus does, until it is ended.")
  .requiredOption("--entities <file>", "JSON that lists the queues and topics")
  .option("--journal <file>", "keeps the messages there; without it, they are in memory")
  .option("--port <n>", "where it listens; 0 takes a free one", portNumber, 0)
  .option("--key <text>", "the key that clients sign with", "local")
  .option("--key-file <file>", "holds that key; then no other key and no identity's token is taken");

function log(message: string): void {
  process.stderr.write(`broker: ${message}\n`);
}

async function readEntities(file: string): Promise<BrokerEntities> {
  try {
    return parseEntities(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    return COMMAND.error(`error: ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function readKey(file: string): Promise<string> {
  const key = await readFile(file, "utf8").catch(() => "");
  return key.trim() || COMMAND.error(`error: ${file}: there is no key. Write one into this file`);
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
  const { port, key, keyFile, entities: file, journal } = COMMAND.parse().opts();
  const entities = await readEntities(file);
  const broker = await startOnSomePort({
    port,
    entities,
    log,
    ...(keyFile === undefined ? { key } : { key: await readKey(keyFile), onlyKey: true }),
    ...(journal === undefined ? {} : { journal }),
  });
  endWith(() => broker.close());
  process.stdout.write(
    `${JSON.stringify({ ready: true, port: broker.port, connectionString: broker.connectionString })}\n`,
  );
}

await main();
