// Passes on what arrives at ADDRESS:PORT to a port of loopback, until it is killed: usage: main ADDRESS PORT TO
import { startTcpProxy } from "../../local/kit/tcp-proxy.ts";

const [address = "", port, to] = process.argv.slice(2);
await startTcpProxy({ address, port: Number(port), to: Number(to) });
