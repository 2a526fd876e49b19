import rhea from "rhea";

/** Members of rhea's types that its typings leave out. */
interface AmqpWriter {
  write(value: unknown): void;
  toBuffer(): Buffer;
}
const Writer: { new (): AmqpWriter } = Reflect.get(rhea.types, "Writer");
const wrapMap: (map: object) => unknown = Reflect.get(rhea.types, "wrap_map");

/** The numbers of the fields of the Settlement service's requests. All fields are strings, bytes or messages. */
const FIELDS = { locktoken: 1, propertiesToModify: 2, deadletterReason: 3, deadletterErrorDescription: 4 } as const;

/** What to settle, by its lock token, and what to write on it. */
export interface Settlement {
  readonly lockToken: string;
  readonly properties?: object | undefined;
  readonly reason?: string | undefined;
  readonly description?: string | undefined;
}

/** Encodes a request of the Settlement service, as protocol buffers do. Properties go as one AMQP map. */
export function settlementRequest({ lockToken, properties = {}, reason, description }: Settlement): Buffer {
  return Buffer.concat([
    field(FIELDS.locktoken, Buffer.from(lockToken)),
    ...(Object.keys(properties).length === 0 ? [] : [field(FIELDS.propertiesToModify, amqpMap(properties))]),
    ...(reason === undefined ? [] : [field(FIELDS.deadletterReason, stringValue(reason))]),
    ...(description === undefined ? [] : [field(FIELDS.deadletterErrorDescription, stringValue(description))]),
  ]);
}

function amqpMap(properties: object): Buffer {
  const writer = new Writer();
  writer.write(wrapMap(properties));
  return writer.toBuffer();
}

/** Wraps a text as `google.protobuf.StringValue`, by which an empty text differs from none. */
function stringValue(text: string): Buffer {
  return text === "" ? Buffer.alloc(0) : field(1, Buffer.from(text));
}

/** Writes a field that has a length: its number and the type 2, the length, the bytes. */
function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(bytes.byteLength), bytes]);
}

/** Writes a number by seven bits a byte, the lowest first. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return Buffer.from([...bytes, left]);
    bytes.push((left % 128) | 128);
  }
}
