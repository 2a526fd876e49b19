import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { PROJECT_ROOT } from "../local/stack/project-root.ts";
import { waitUntilReady } from "./server-process.ts";
import type { StartPart } from "./start-part.ts";

const READY_TIMEOUT_MS = 30_000;
/** The port of the service `kubernetes`, which the API server makes for itself. */
const PORT = 443;

/**
 * Lets pods reach the API server, which listens on loopback alone, at the address that their environment names. So
 * their own credentials work as in any cluster. The forwarder is a program of the build.
 */
export async function startForwarder(start: StartPart, address: string, apiServer: number): Promise<void> {
  const program = join(PROJECT_ROOT, "dist", "real-cluster", "forward", "main.js");
  const args = [program, address, String(PORT), String(apiServer)];
  const forwarder = await start("forwarder", args, { file: process.execPath });
  await waitUntilReady(forwarder, READY_TIMEOUT_MS, async () => {
    const socket = connect(PORT, address);
    await once(socket, "connect");
    socket.destroy();
    return true;
  });
}
