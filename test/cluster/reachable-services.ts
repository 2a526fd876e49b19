import { startAzurite } from "../../local/azurite/start-azurite.ts";
import type { BrokerEntities } from "../../local/broker/entities.ts";
import { type LocalBroker, startBroker } from "../../local/broker/start-broker.ts";
import { makeCertificate } from "../../local/cluster/certificate.ts";
import { forwardPort } from "../../local/stack/forward-port.ts";
import { closeAll } from "./close-all.ts";

/** A bus and storage of a test's own, which pods reach too. */
export interface ReachableServices {
  readonly broker: LocalBroker;
  /** Of what counts messages: the bus, over HTTPS. PEM. */
  readonly certificate: string;
  /** Connection strings with the address that pods and this machine reach. */
  readonly serviceBus: string;
  readonly storage: string;
  close(): Promise<void>;
}

/** Starts both on loopback, and passes on what arrives for them at `address`. */
export async function startReachableServices(address: string, entities: BrokerEntities): Promise<ReachableServices> {
  const closing: (() => Promise<void>)[] = [];
  const close = () => closeAll(closing);
  try {
    const certificate = await makeCertificate([address]);
    const broker = await startBroker({ entities, counters: certificate });
    closing.push(() => broker.close());
    const azurite = await startAzurite();
    closing.push(() => azurite.close());
    const reachable = async (text: string, port: number) => {
      const forward = await forwardPort(address, port);
      closing.push(() => forward.close());
      return text.replace(`127.0.0.1:${port}`, `${address}:${forward.port}`);
    };
    return {
      broker,
      certificate: certificate.cert,
      serviceBus: await reachable(broker.connectionString, broker.port),
      storage: await reachable(await reachable(azurite.connectionString, azurite.blobPort), azurite.tablePort),
      close,
    };
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }
}
