import { once } from "node:events";
import { connect, createServer } from "node:net";
import { afterEach, expect, it } from "vitest";
import { countBus } from "../../bench/counting-proxy.ts";
import { listen } from "../../local/kit/listen.ts";

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

/** A frame of AMQP whose body begins with this code. */
function frame(code: number): Buffer {
  return Buffer.from([0, 0, 0, 11, 2, 0, 0, 0, 0x00, 0x53, code]);
}

it("the proxy before the bus passes on all that a client says, from its first byte on, and counts the transfers", async () => {
  const heard: Buffer[] = [];
  const server = await listen(createServer((socket) => socket.on("data", (bytes) => heard.push(bytes))));
  cleanUps.push(() => server.close());
  const proxy = await countBus(server.port);
  cleanUps.push(() => proxy.close());
  const said = Buffer.concat([Buffer.from("AMQP\0\x01\0\0"), frame(0x10), frame(0x14), frame(0x14)]);
  const client = connect(proxy.port, "127.0.0.1");
  await once(client, "connect");
  client.end(said);
  await expect.poll(() => Buffer.concat(heard)).toEqual(said);
  expect(proxy.count()).toBe(2);
  client.destroy();
});
