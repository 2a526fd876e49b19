// Passes on what arrives at ADDRESS:PORT to a port of loopback, until it is killed: usage: main ADDRESS PORT TO
import { forwardPort } from "../../local/stack/forward-port.ts";

const [address = "", port, to] = process.argv.slice(2);
await forwardPort(address, Number(to), Number(port));
