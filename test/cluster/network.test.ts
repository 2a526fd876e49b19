import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, inject, test } from "vitest";
import { NEEDS_OWN_CLUSTER } from "../support/forbid-skips.ts";
import { choosePodNetwork, makeBridge, removeBridge } from "./network.ts";

const ip = async (...args: string[]) => (await promisify(execFile)("ip", args)).stdout;

test.skipIf(!inject("ownsCluster"))(`the pods' bridge keeps its hardware address ${NEEDS_OWN_CLUSTER}`, async () => {
  const network = await choosePodNetwork();
  await makeBridge(network);
  try {
    const address = async () => /link\/ether (\S+)/.exec(await ip("link", "show", network.bridge))?.[1];
    const before = await address();
    expect(before).toMatch(/^02:/);
    // A bridge without one takes the lowest of its ports'.
    await ip("link", "add", "low0", "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", "low1");
    await ip("link", "set", "low0", "master", network.bridge);
    expect(await address()).toBe(before);
  } finally {
    await removeBridge(network.bridge);
  }
  expect(await ip("link")).not.toContain("low0");
});
