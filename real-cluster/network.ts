import { execFile } from "node:child_process";
import { createServer } from "node:net";
import { promisify } from "node:util";
import { z } from "zod";

const run = promisify(execFile);

/** The pods' network: a bridge of this machine that leads nowhere else. */
export interface PodNetwork {
  readonly bridge: string;
  /** The pods', as CIDR. */
  readonly subnet: string;
  /** This machine, as the pods see it. */
  readonly gateway: string;
  /** The services', as CIDR: nothing serves it but the first address. */
  readonly services: string;
  /** The service that each pod finds the API server by: an address of this machine. */
  readonly apiService: string;
}

const routes = z.array(z.object({ dst: z.string() }));
const links = z.array(z.object({ ifname: z.string() }));

/** A network of a name and of addresses that nothing on this machine uses. Nothing is made yet. Throws where all are taken. */
export async function choosePodNetwork(): Promise<PodNetwork> {
  const taken = routes.parse(JSON.parse((await run("ip", ["-j", "-4", "route", "show", "table", "all"])).stdout));
  const names = links.parse(JSON.parse((await run("ip", ["-j", "link"])).stdout)).map(({ ifname }) => ifname);
  for (let third = 100; third < 200; third += 1) {
    const bridge = `dispatcher${third}`;
    // A route to a part of it, or to all of it and more.
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
    "no free network for pods: `ip route` shows every one from 10.244.100.0/24 to 10.244.199.0/24 in use, or the same of 10.245. End clusters that are left: `npm run cluster -- status`.",
  );
}

/**
 * Makes the bridge, so that its addresses can be listened on before there is a pod. With a hardware address of its own: else it takes the
 * lowest of its ports', another one whenever a pod comes or goes, and those that know it by the old one reach nothing for a minute or more.
 */
export async function makeBridge({ bridge, gateway, apiService }: PodNetwork): Promise<void> {
  await run("ip", ["link", "add", "name", bridge, "address", hardwareAddress(gateway), "type", "bridge"]);
  await run("ip", ["address", "add", `${gateway}/24`, "dev", bridge]);
  await run("ip", ["address", "add", `${apiService}/32`, "dev", bridge]);
  await run("ip", ["link", "set", bridge, "up"]);
}

/** `02`: one that its owner has made up. */
function hardwareAddress(ip: string): string {
  return ["02", "00", ...ip.split(".").map((part) => Number(part).toString(16).padStart(2, "0"))].join(":");
}

/** Removes the bridge and the ends of pods' cables that are in it. Does nothing where there is none. */
export async function removeBridge(bridge: string): Promise<void> {
  const shown = await run("ip", ["-j", "link", "show", "master", bridge]).catch(() => undefined);
  const ends = shown === undefined ? [] : links.parse(JSON.parse(shown.stdout.trim() || "[]"));
  // One that goes by itself meanwhile, with its pod, is no failure.
  for (const { ifname } of ends) await run("ip", ["link", "delete", ifname]).catch(() => {});
  await run("ip", ["link", "delete", bridge]).catch(() => {});
  const left = links.parse(JSON.parse((await run("ip", ["-j", "link"])).stdout));
  if (left.some(({ ifname }) => ifname === bridge)) throw new Error(`the network interface ${bridge} can't be removed`);
}

/** Ports of loopback that nobody listens on just now. */
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
  // All at once and only now: one that is given back is handed out again.
  return Promise.all(
    servers.map(async (server) => {
      const address = server.address();
      await new Promise((resolve) => server.close(resolve));
      return typeof address === "object" && address !== null ? address.port : 0;
    }),
  );
}
