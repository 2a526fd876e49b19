import { createServer } from "node:https";
import { startAzurite } from "../../local/azurite/start-azurite.ts";
import type { BrokerEntities } from "../../local/broker/entities.ts";
import { type LocalBroker, startBroker } from "../../local/broker/start-broker.ts";
import { type Certificate, makeCertificate } from "../../local/cluster/certificate.ts";
import { startTcpProxy } from "../../local/kit/tcp-proxy.ts";
import { closeAll } from "./close-all.ts";

/** A bus and storage of a test's own, which pods reach too. */
export interface ReachableServices {
  readonly broker: LocalBroker;
  /** The certificate, PEM, of the bus's counters, which are served over HTTPS. */
  readonly certificate: string;
  /** The connection strings, with the address that pods and this machine reach. */
  readonly serviceBus: string;
  readonly storage: string;
  /** Makes the bus refuse every client, as if its key had been replaced. Resolves to a function that ends this. */
  turnAway(): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** Starts both on loopback, and forwards the connections that arrive for them at `address`. */
export async function startReachableServices(address: string, entities: BrokerEntities): Promise<ReachableServices> {
  const closing: (() => Promise<void>)[] = [];
  const close = () => closeAll(closing);
  try {
    const certificate = await makeCertificate([address]);
    const broker = await startBroker({ entities, counters: certificate });
    closing.push(() => broker.close());
    const azurite = await startAzurite();
    closing.push(() => azurite.close());
    const forward = async (to: number, from?: number) => {
      const forwarded = await startTcpProxy({ address, to, ...(from === undefined ? {} : { port: from }) });
      closing.push(() => forwarded.close());
      return forwarded;
    };
    let bus = await forward(broker.port);
    const [blobs, tables] = [await forward(azurite.blobPort), await forward(azurite.tablePort)];
    return {
      broker,
      certificate: certificate.cert,
      serviceBus: broker.connectionString.replace(`127.0.0.1:${broker.port}`, `${address}:${bus.port}`),
      storage: azurite.connectionString
        .replace(`127.0.0.1:${azurite.blobPort}`, `${address}:${blobs.port}`)
        .replace(`127.0.0.1:${azurite.tablePort}`, `${address}:${tables.port}`),
      turnAway: async () => {
        await bus.close();
        const end = await answerUnauthorized(address, bus.port, certificate);
        closing.push(end);
        return async () => {
          await end();
          bus = await forward(broker.port, bus.port);
        };
      },
      close,
    };
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }
}

/** Resolves to a function that ends it. Repeating that is harmless. */
async function answerUnauthorized(
  address: string,
  port: number,
  certificate: Certificate,
): Promise<() => Promise<void>> {
  const server = createServer({ key: certificate.key, cert: certificate.cert }, (_, response) => {
    response.writeHead(401).end("<Error><Code>401</Code><Detail>InvalidSignature</Detail></Error>");
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, address, resolve);
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}
