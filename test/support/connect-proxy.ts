import { createServer } from "node:http";
import { connect } from "node:net";
import { type Listening, listen } from "../../local/kit/listen.ts";

export interface ConnectProxy extends Listening {
  /** The hosts that clients asked for, in order, such as `acme.table.core.windows.net:443`. */
  readonly asked: () => readonly string[];
  /** Answers every further request with this status, and connects no client. */
  refuse(status: number): void;
}

/** A company's proxy: it connects clients with the hosts that they name, of which all are on this machine. */
export async function startConnectProxy(): Promise<ConnectProxy> {
  const asked: string[] = [];
  let refusal: number | undefined;
  const server = createServer((_request, response) => void response.writeHead(501).end());
  server.on("connect", ({ url = "" }, client, head) => {
    asked.push(url);
    client.on("error", () => {});
    if (refusal !== undefined) {
      client.end(`HTTP/1.1 ${refusal} Refused\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const host = connect(Number(url.split(":").at(-1)), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      host.write(head);
      client.pipe(host).pipe(client);
    });
    host.on("error", () => client.destroy());
    host.on("close", () => client.destroy());
    client.on("close", () => host.destroy());
  });
  return {
    ...(await listen(server)),
    asked: () => asked,
    refuse: (status) => {
      refusal = status;
    },
  };
}
