// Runs the table server as a program of its own, which can be frozen. It prints one JSON line on stdout when it listens.
import { startTableServer } from "./start-table-server.ts";

const server = await startTableServer();
let isEnding = false;

async function end(): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  await server.close();
  process.exit(0);
}

process.on("SIGTERM", () => void end());
process.on("SIGINT", () => void end());
process.on("disconnect", () => void end());

process.stdout.write(`${JSON.stringify({ ready: true, endpoint: server.endpoint, port: server.port })}\n`);
