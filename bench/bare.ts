// A program that makes the app's requests to the servers with the app's SDKs, but without the app and one message at a
// time. `bare accept QUEUE...` receives as the host does and says each message on stderr, as the app does. `bare follow
// QUEUE` also settles the messages when their Jobs have finished. `bare tick N` makes the requests of N ticks, and says
// how long each tick took.
import { acceptBare } from "./bare-accept.ts";
import { followBare } from "./bare-follow.ts";
import { tickBare } from "./bare-tick.ts";
import { readConnections } from "./connections.ts";

const connections = readConnections();
const say = (fields: object) => process.stderr.write(`${JSON.stringify(fields)}\n`);
const end = () => process.exit(0);
process.once("SIGTERM", end).once("SIGINT", end).once("disconnect", end);

const [what, ...all] = process.argv.slice(2);
const [given = ""] = all;
if (what === "accept") await acceptBare(connections, all, say);
if (what === "follow") await followBare(connections, given, say);
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
if (what === "tick") await tickBare(connections, Number(given), say);
