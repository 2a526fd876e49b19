// Forwards connections, as a program of its own that the tests start, so that containers reach a server on this
// machine's loopback.
import { startTcpProxy } from "../../local/kit/tcp-proxy.ts";
import { makeCommand, wholeNumber } from "../../shared/command-line.ts";

const port = wholeNumber(0, 65_535);
const command = makeCommand("forward")
  .description("Passes on what arrives at an address of this machine to a port of loopback, until it is killed.")
  .argument("<address>", "where it listens")
  .argument("<port>", "the port there", port)
  .argument("<to>", "the port of loopback", port)
  .parse();
const [address, from, to] = command.processedArgs;
await startTcpProxy({ address, port: from, to });
