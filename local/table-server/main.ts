// Runs the table server as a program of its own, which can be frozen. It prints one JSON line on stdout when it listens.
import { makeCommand } from "../../shared/command-line.ts";
import { endWith } from "../kit/end-with.ts";
import { startTableServer } from "./start-table-server.ts";

makeCommand("table-server").description("Serves tables as Azure Storage does, from memory, until it is ended.").parse();

const server = await startTableServer();
endWith(() => server.close());
process.stdout.write(`${JSON.stringify({ ready: true, endpoint: server.endpoint, port: server.port })}\n`);
