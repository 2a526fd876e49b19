import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, inject, test } from "vitest";
import { makeBridge, removeBridge } from "../../real-cluster/network.ts";
import { NEEDS_OWN_CLUSTER } from "../support/forbid-skips.ts";

/** These addresses are none that clusters choose from, because a cluster may be starting at the same time. */
const network = {
  bridge: "dispatcher-mac",
  subnet: "10.246.99.0/24",
  gateway: "10.246.99.1",
  services: "10.247.99.0/24",
  apiService: "10.247.99.1",
};

const ip = async (...args: string[]) => (await promisify(execFile)("ip", args)).stdout;

test.skipIf(!inject("ownsCluster"))(`the pods' bridge keeps its hardware address ${NEEDS_OWN_CLUSTER}`, async () => {
  await makeBridge(network);
  try {
    const address = async () => /link\/ether (\S+)/.exec(await ip("link", "show", network.bridge))?.[1];
    const before = await address();
    expect(before).toMatch(/^02:/);
    // A bridge without an address of its own takes the lowest of its ports'.
    await ip("link", "add", "low0", "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", "low1");
    await ip("link", "set", "low0", "master", network.bridge);
    expect(await address()).toBe(before);
  } finally {
    await removeBridge(network.bridge);
  }
  expect(await ip("link")).not.toContain("low0");
});
