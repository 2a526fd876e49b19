import { parseArgs } from "node:util";

export const USAGE = `usage: npm run send -- --source NAME [--subject S] [--property K=V ...] [--id ID] [--count N] FILE|-
  --source NAME      a queue, a topic, or TOPIC/SUBSCRIPTION, which sends to the topic
  --subject S        the message's subject
  --property K=V     an application property, as text; again for another
  --id ID            the message's id; without it, one is made
  --count N          so many messages of this body, numbered after the id
  FILE|-             the body, byte for byte; - reads standard input`;

/** What to send, and where to. */
export interface SendRequest {
  readonly entity: string;
  readonly subject?: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly id?: string;
  readonly count: number;
  /** Path of the body, or `-`. */
  readonly file: string;
}

const MOST = 10_000;

/** Reads the command line. Throws an Error that says which flag is wrong. */
export function readSendFlags(args: readonly string[]): SendRequest {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      source: { type: "string" },
      subject: { type: "string" },
      property: { type: "string", multiple: true, default: [] },
      id: { type: "string" },
      count: { type: "string", default: "1" },
    },
  });
  const { source, subject, id } = values;
  const [file, ...more] = positionals;
  if (!source) throw new Error("--source is missing");
  if (file === undefined || more.length > 0) throw new Error("name one FILE, or - for standard input");
  const count = Number(values.count);
  if (!Number.isInteger(count) || count < 1 || count > MOST)
    throw new Error(`--count ${values.count} is not a whole number from 1 to ${MOST}`);
  if (id !== undefined && (id === "" || id.length > 128)) throw new Error("--id has 1 to 128 characters");
  return {
    entity: source.split("/")[0] ?? source,
    ...(subject === undefined ? {} : { subject }),
    properties: Object.fromEntries(values.property.map(readProperty)),
    ...(id === undefined ? {} : { id }),
    count,
    file,
  };
}

function readProperty(given: string): [string, string] {
  const at = given.indexOf("=");
  if (at < 1) throw new Error(`--property ${given} is not NAME=VALUE`);
  return [given.slice(0, at), given.slice(at + 1)];
}
