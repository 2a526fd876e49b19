import { setTimeout as sleep } from "node:timers/promises";
import { type AStack, module, ONCE, startStackWith } from "./a-stack.ts";

/** What a shop may do with its messages. */
const MODULES = [
  module("thumbnail", "sleep 1; echo made 3 sizes", { maxActive: 8 }),
  module("transcode", "echo at 1 %; sleep 600", { maxActive: 3 }),
  module("invoice", 'echo "no rate of exchange for order 4711"; exit 4', ONCE),
  module("mail", 'echo "mail server refused the connection"; exit 1', {
    retry: { maxAttempts: 5, backoff: { first: "20m", max: "1h" } },
  }),
  module("stock", "echo counted", { maxActive: 6 }),
  { ...module("order", "echo taken"), schema: { type: "object", required: ["customer"] } },
];
const [DONE, FAILED] = [64, 11];

/** Starts the stack of a shop: some of its messages are done, others are at work, wait or failed. */
export async function startAShop(): Promise<AStack> {
  const shop = await startStackWith(MODULES, { order: 4_711 });
  const { dispatcher, send } = shop;
  await dispatcher("modules", "pause", "stock", "--why", "the stock is counted by hand today");
  await send("thumbnail", DONE);
  await send("transcode", 8);
  await send("invoice", 7);
  await send("mail", 3);
  await send("stock", 12);
  await send("order", FAILED - 7);
  for (const deadline = Date.now() + 120_000; !(await isReady(dispatcher)); await sleep(500))
    if (Date.now() > deadline) throw new Error(`the shop did not get ready:\n${await dispatcher("status")}`);
  return shop;
}

async function isReady(dispatcher: AStack["dispatcher"]): Promise<boolean> {
  const over = async (status: string) =>
    (await dispatcher("runs", "ls", "--closed", "--status", status, "--limit", "1000", "--output", "name"))
      .trim()
      .split("\n");
  const [done, failed, rejected] = await Promise.all(["succeeded", "failed", "rejected"].map(over));
  const later = await dispatcher("runs", "ls", "--module", "mail");
  return (
    (done?.length ?? 0) >= DONE &&
    (failed?.length ?? 0) + (rejected?.length ?? 0) >= FAILED &&
    later.split("waiting").length > 3
  );
}
