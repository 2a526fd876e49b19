import { createServer, type RequestListener } from "node:http";
import { onTestFinished } from "vitest";

/**
 * Starts an HTTP server on loopback for one test. Resolves to its URL, such as `http://127.0.0.1:1234`. It ends with
 * the test.
 */
export async function startLoopbackServer(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
}
