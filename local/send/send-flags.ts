import { type Command, parseFlags } from "../../shared/command-line.ts";

export const SEND = {
  usage: "npm run send -- --source NAME [FLAGS] FILE|-",
  does: "Puts messages on the bus of the stack that `npm start` runs.",
  words: { "FILE|-": "the body, byte for byte; - reads standard input" },
  flags: {
    source: {
      type: "string",
      value: "NAME",
      says: "a queue, a topic, or TOPIC/SUBSCRIPTION, which sends to the topic",
    },
    subject: { type: "string", value: "TEXT", says: "the message's subject" },
    property: {
      type: "string",
      multiple: true,
      default: [],
      value: "NAME=VALUE",
      says: "an application property, as text; again for another",
    },
    id: { type: "string", value: "ID", says: "the message's id; without it, one is made" },
    count: { type: "string", default: "1", value: "N", says: "how many messages of this body, numbered after the id" },
  },
} as const satisfies Command;

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
  const { values, positionals } = parseFlags(SEND, args);
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
