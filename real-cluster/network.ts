import { execFile } from "node:child_process";
import { createServer } from "node:net";
import { promisify } from "node:util";
import { z } from "zod";

const run = promisify(execFile);

/** The pods' network, a bridge of this machine that leads nowhere else. */
export interface PodNetwork {
  readonly bridge: string;
  /** The addresses of pods, as CIDR. */
  readonly subnet: string;
  /** The address of this machine, as the pods see it. */
  readonly gateway: string;
  /** The addresses of services, as CIDR. Only the first one is served. */
  readonly services: string;
  /** The address of the service by which each pod finds the API server. It is an address of this machine. */
  readonly apiService: string;
}

const routes = z.array(z.object({ dst: z.string() }));
const links = z.array(z.object({ ifname: z.string() }));

/** Chooses a name and addresses that nothing on this machine uses, and makes nothing yet. Throws if all are taken. */
export async function choosePodNetwork(): Promise<PodNetwork> {
  const taken = routes.parse(JSON.parse((await run("ip", ["-j", "-4", "route", "show", "table", "all"])).stdout));
  const names = links.parse(JSON.parse((await run("ip", ["-j", "link"])).stdout)).map(({ ifname }) => ifname);
  for (let third = 100; third < 200; third += 1) {
    const bridge = `dispatcher${third}`;
    // A taken route overlaps if it leads to a part of the network, or to all of it and more.
    const overlaps = taken.some(
      ({ dst }) => /^10\.24[45]\.(\d+)\./.exec(dst)?.[1] === String(third) || /^10\.(24[45]\.0\.0|0\.0\.0)\//.test(dst),
    );
    if (!overlaps && !names.includes(bridge))
      return {
        bridge,
        subnet: `10.244.${third}.0/24`,
        gateway: `10.244.${third}.1`,
        services: `10.245.${third}.0/24`,
        apiService: `10.245.${third}.1`,
      };
  }
  throw new Error(
    "no free network for pods: `ip route` shows all from 10.244.100.0/24 to 10.244.199.0/24, or the same of 10.245, in use. Find clusters that are left with `npm run cluster -- status`, and end them.",
  );
}

/**
 * Makes the bridge, so that a program can listen on its addresses before there is a pod. The bridge gets a hardware
 * address of its own. Otherwise it would take the lowest of its ports', which changes whenever a pod comes or goes, and
 * those that know it by the old one would reach nothing for a minute or more.
 */
export async function makeBridge({ bridge, gateway, apiService }: PodNetwork): Promise<void> {
  await run("ip", ["link", "add", "name", bridge, "address", hardwareAddress(gateway), "type", "bridge"]);
  await run("ip", ["address", "add", `${gateway}/24`, "dev", bridge]);
  await run("ip", ["address", "add", `${apiService}/32`, "dev", bridge]);
  await run("ip", ["link", "set", bridge, "up"]);
}

/** A hardware address made of the IP address. `02` marks one that its owner made up. */
function hardwareAddress(ip: string): string {
  return ["02", "00", ...ip.split(".").map((part) => Number(part).toString(16).padStart(2, "0"))].join(":");
}

/** Removes the bridge and the pods' cable ends in it. Does nothing if there is no bridge. */
export async function removeBridge(bridge: string): Promise<void> {
  const shown = await run("ip", ["-j", "link", "show", "master", bridge]).catch(() => undefined);
  const ends = shown === undefined ? [] : links.parse(JSON.parse(shown.stdout.trim() || "[]"));
  // A cable end that goes by itself meanwhile, with its pod, is no failure.
  for (const { ifname } of ends) await run("ip", ["link", "delete", ifname]).catch(() => {});
  await run("ip", ["link", "delete", bridge]).catch(() => {});
  const left = links.parse(JSON.parse((await run("ip", ["-j", "link"])).stdout));
  if (left.some(({ ifname }) => ifname === bridge))
    throw new Error(`the network interface ${bridge} can't be removed. Remove it with: ip link delete ${bridge}`);
}

/** Ports of loopback that no program listens on just now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject).listen(0, "127.0.0.1", resolve);
      });
      return server;
    }),
  );
  // Closes all servers at once and only now, because a port that is given back is handed out again.
  return Promise.all(
    servers.map(async (server) => {
      const address = server.address();
      await new Promise((resolve) => server.close(resolve));
      return typeof address === "object" && address !== null ? address.port : 0;
    }),
  );
}
