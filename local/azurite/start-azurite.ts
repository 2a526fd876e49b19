import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);

const HOST = "127.0.0.1";
const ACCOUNT = "devstoreaccount1";
/** Azurite's published key. It protects nothing. */
const ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 5_000;

const SERVICES = ["Blob", "Queue", "Table"] as const;
type Service = (typeof SERVICES)[number];

export interface AzuriteOptions {
  /** The directory that keeps the data. Without it, the data is in memory and gone with the process. */
  readonly directory?: string;
  /** PEM files. With them Azurite speaks https, and takes any bearer token that looks like one for storage. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
}

export interface Azurite {
  /** Names the blob, queue and table endpoints of the development account, and its key. */
  readonly connectionString: string;
  readonly blobEndpoint: string;
  readonly queueEndpoint: string;
  readonly tableEndpoint: string;
  readonly blobPort: number;
  readonly queuePort: number;
  readonly tablePort: number;
  readonly pid: number;
  /** Ends the process and resolves when it is gone. Repeating it is harmless. */
  close(): Promise<void>;
}

// Runs inside Azurite before its own code. When this process ends, however that happens, the pipe breaks, and Azurite
// has to end too. It first ends as on SIGTERM, so that it saves what it keeps on disk, then for certain.
// AZURITE_ACCOUNTS in the developer's environment would replace the account that the connection string names.
const PRELOAD = `
  const end = () => {
    process.emit("SIGTERM");
    setTimeout(() => process.exit(0), 2000).unref();
  };
  process.once("disconnect", end);
  if (!process.connected) end();
  delete process.env.AZURITE_ACCOUNTS;
`;

/**
 * Starts Azurite as a child process on free ports of 127.0.0.1 and resolves when its three services listen. Azurite
 * ends with this process. Rejects with Azurite's own words if it does not come up within 30 s.
 */
export async function startAzurite(options: AzuriteOptions = {}): Promise<Azurite> {
  const child = fork(require.resolve("azurite/dist/src/azurite.js"), flags(options), {
    cwd: tmpdir(),
    execArgv: ["--import", `data:text/javascript,${encodeURIComponent(PRELOAD)}`],
    // Azurite gets a process group of its own, because Ctrl-C must reach the app first, which may still have rows to
    // write.
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const ports = await portsOf(child).catch(async (error: unknown) => {
    await stop(child);
    throw error;
  });
  const endpoint = (service: Service) => `${options.tls ? "https" : "http"}://${HOST}:${ports[service]}/${ACCOUNT}`;
  return {
    connectionString: [
      `DefaultEndpointsProtocol=${options.tls ? "https" : "http"}`,
      `AccountName=${ACCOUNT}`,
      `AccountKey=${ACCOUNT_KEY}`,
      ...SERVICES.map((service) => `${service}Endpoint=${endpoint(service)}`),
    ].join(";"),
    blobEndpoint: endpoint("Blob"),
    queueEndpoint: endpoint("Queue"),
    tableEndpoint: endpoint("Table"),
    blobPort: ports.Blob,
    queuePort: ports.Queue,
    tablePort: ports.Table,
    pid: child.pid ?? 0,
    close: () => stop(child),
  };
}

function flags({ directory, tls }: AzuriteOptions): string[] {
  return [
    ...SERVICES.flatMap((service) => {
      const name = service.toLowerCase();
      return [`--${name}Host`, HOST, `--${name}Port`, "0"];
    }),
    ...(directory === undefined ? ["--inMemoryPersistence"] : ["--location", directory]),
    ...(tls === undefined ? [] : ["--cert", tls.certFile, "--key", tls.keyFile, "--oauth", "basic"]),
    "--silent",
    "--disableTelemetry",
    // The SDKs ask for newer versions of the protocol than this Azurite knows.
    "--skipApiVersionCheck",
  ];
}

/** Resolves with the ports that Azurite reports as it comes up. */
function portsOf(child: ChildProcess): Promise<Record<Service, number>> {
  return new Promise((resolve, reject) => {
    const found: Partial<Record<Service, number>> = {};
    const said: string[] = [];
    const fail = (what: string) => reject(new Error(`Azurite ${what}. It said: ${said.join(" | ") || "nothing"}`));
    const timer = setTimeout(() => fail(`did not listen within ${START_TIMEOUT_MS / 1000} s`), START_TIMEOUT_MS);
    const read = (line: string) => {
      if (said.length < 20) said.push(line);
      const service = SERVICES.find((name) => line.startsWith(`Azurite ${name} service is successfully listening at`));
      if (service === undefined) return;
      found[service] = Number(/:(\d+)$/.exec(line)?.[1]);
      const { Blob, Queue, Table } = found;
      if (Blob === undefined || Queue === undefined || Table === undefined) return;
      clearTimeout(timer);
      resolve({ Blob, Queue, Table });
    };
    // Reads both streams to the end, also after the start, because a full pipe would stop Azurite.
    for (const stream of [child.stdout, child.stderr]) if (stream) createInterface({ input: stream }).on("line", read);
    child.once("error", (error) => fail(`could not be started: ${error.message}`));
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      fail(`ended with ${signal ?? `exit code ${code}`}`);
    });
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  if (child.connected) child.disconnect();
  await gone;
  clearTimeout(timer);
}
