// Forwards connections, as a program of its own that the tests start, so that containers reach a server on this
// machine's loopback.
import { startTcpProxy } from "../../local/kit/tcp-proxy.ts";
import { type Command, parseFlags, readCommandLine } from "../../shared/command-line.ts";

const COMMAND = {
  usage: "forward ADDRESS PORT TO",
  does: "Passes on what arrives at an address of this machine to a port of loopback, until it is killed.",
  words: { ADDRESS: "where it listens", PORT: "the port there", TO: "the port of loopback" },
  flags: {},
} as const satisfies Command;

const [address = "", port, to] = readCommandLine(COMMAND, (args) => {
  const { positionals } = parseFlags(COMMAND, args);
  if (positionals.length !== 3) throw new Error("name an ADDRESS, a PORT and the port TO which to pass on");
  return positionals;
});
await startTcpProxy({ address, port: Number(port), to: Number(to) });
