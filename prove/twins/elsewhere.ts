import { z } from "zod";

/** Makes another cluster's answer of an answer to the look at the namespace: its uid is another one. */
export function elsewhere(answer: unknown): unknown {
  const { body, ...rest } = z.looseObject({ body: z.instanceof(Buffer) }).parse(answer);
  return { ...rest, body: Buffer.from(body.toString().replace(/"uid":"[^"]*"/, '"uid":"elsewhere"')) };
}
