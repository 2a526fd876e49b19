import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { z } from "zod";

const Answer = z.object({ code: z.number(), headers: z.record(z.string(), z.string()), body: z.json() });

/** Sends an answer of an API server, which stands in `test/fixtures/kubernetes/answers`. */
export function sendAnswer(response: ServerResponse, name: string): void {
  const { code, headers, body } = readAnswer(name);
  response.writeHead(code, headers).end(JSON.stringify(body));
}

/** Sends the first half of an answer's body as if it were the whole. */
export function sendHalfAnswer(response: ServerResponse, name: string): void {
  const { code, headers, body } = readAnswer(name);
  const text = JSON.stringify(body);
  response.writeHead(code, headers).end(text.slice(0, text.length / 2));
}

function readAnswer(name: string) {
  return Answer.parse(JSON.parse(readFileSync(`test/fixtures/kubernetes/answers/${name}.json`, "utf8")));
}
