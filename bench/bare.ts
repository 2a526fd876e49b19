// A program that makes the app's requests to the servers with the app's SDKs, but without the app and one message at a
// time. `bare accept QUEUE...` receives as the host does and says each message on stderr, as the app does. `bare follow
// QUEUE` also settles the messages when their Jobs have finished. `bare tick N` makes the requests of N ticks, and says
// how long each tick took.
import { z } from "zod";
import { acceptBare } from "./bare-accept.ts";
import { followBare } from "./bare-follow.ts";
import { tickBare } from "./bare-tick.ts";

const connections = z
  .object({
    serviceBus: z.string(),
    storage: z.string(),
    kubeconfig: z.string(),
    namespace: z.string(),
    modulesDir: z.string(),
    tableName: z.string(),
    queues: z.array(z.string()),
    body: z.string(),
  })
  .parse(JSON.parse(process.env["BENCH_CONNECTIONS"] ?? ""));
const say = (fields: object) => process.stderr.write(`${JSON.stringify(fields)}\n`);
const end = () => process.exit(0);
process.once("SIGTERM", end).once("SIGINT", end).once("disconnect", end);

const [what, ...all] = process.argv.slice(2);
const [given = ""] = all;
if (what === "accept") await acceptBare(connections, all, say);
if (what === "follow") await followBare(connections, given, say);
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
if (what === "tick") await tickBare(connections, Number(given), say);
