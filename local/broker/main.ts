import { readFile } from "node:fs/promises";
import { type Command, parseFlags, readCommandLine, refuse } from "../../shared/command-line.ts";
import { type BrokerEntities, parseEntities } from "./entities.ts";
import { type BrokerOptions, type LocalBroker, startBroker } from "./start-broker.ts";

const COMMAND = {
  usage: "broker --entities FILE [FLAGS]",
  does: "Serves queues and topics as Azure Service Bus does, until it is ended.",
  flags: {
    entities: { type: "string", value: "FILE", says: "JSON that lists the queues and topics" },
    port: { type: "string", default: "0", value: "N", says: "where it listens; 0 takes a free one" },
  },
} as const satisfies Command;

function log(message: string): void {
  process.stderr.write(`broker: ${message}\n`);
}

function readArgs(args: readonly string[]): { port: number; file: string } {
  const { values } = parseFlags(COMMAND, args);
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`--port ${values.port}: a port is 0 to 65535`);
  if (values.entities === undefined) throw new Error("--entities is missing");
  return { port, file: values.entities };
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
    log(`port ${options.port} is in use by another program; using ${broker.port} instead`);
    return broker;
  }
}

async function main(): Promise<void> {
  const { port, file } = readCommandLine(COMMAND, readArgs);
  const entities = await readEntities(file).catch((error: unknown) => refuse(COMMAND, error));
  const broker = await startOnSomePort({ port, entities, log });
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
