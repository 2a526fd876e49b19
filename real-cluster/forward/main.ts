// Forwards connections, as a program of its own that the tests start, so that containers reach a server on this
// machine's loopback.
import { startTcpProxy } from "../../local/kit/tcp-proxy.ts";
import { makeCommand, portNumber } from "../../shared/command-line.ts";

const command = makeCommand("forward")
  .description("Passes on what arrives at an address of this machine to a port of loopback, until it is killed.")
  .argument("<address>", "where it listens")
  .argument("<port>", "the port there", portNumber)
  .argument("<to>", "the port of loopback", portNumber)
  .parse();
const [address, from, to] = command.processedArgs;
await startTcpProxy({ address, port: from, to });
