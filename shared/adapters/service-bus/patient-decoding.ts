import rhea from "rhea";

type Decode = (encoded: Buffer) => Record<string, unknown>;

/** Members of rhea that its typings leave out. */
interface AmqpReader {
  position: number;
  read_constructor(): { typecode: number; descriptor?: { value: unknown } };
  read_uint(width: number): number;
  remaining(): number;
}
type Reading = (this: AmqpReader, count: number, type: { readonly width: number }) => unknown[];
const Reader: { new (buffer: Buffer): AmqpReader; readonly prototype: object } = Reflect.get(rhea.types, "Reader");

/**
 * Stands for the body of a message of which any part can't be decoded. It can't be a real body, because no decoded body
 * is a symbol.
 */
export const UNREADABLE = Symbol.for("dispatcher: AMQP that can't be decoded");

let isInstalled = false;

/**
 * Patches rhea so that a malformed message arrives without the part that cannot be decoded: lists nested by the
 * thousand, unknown types, an array that claims more items than it has bytes. Unpatched, one such message breaks the
 * connection, a whole peek page, or the process, at every delivery.
 */
export function installPatientDecoding(): void {
  if (isInstalled) return;
  isInstalled = true;
  const decode: Decode = Reflect.get(rhea.message, "decode");
  Reflect.set(rhea.message, "decode", (encoded: Buffer) => {
    try {
      return decode(encoded);
    } catch {
      const sound = sectionsOf(encoded).filter((section) => isSound(section, decode));
      return Object.assign(decode(Buffer.concat(sound)), { body: UNREADABLE });
    }
  });
  const reading: Reading = Reflect.get(Reader.prototype, "read_array_items");
  const checked: Reading = function readArrayItems(count, type) {
    if (count > 0 && (type.width === 0 || count > this.remaining()))
      throw new RangeError(`an array that claims to have ${count} items`);
    return reading.call(this, count, type);
  };
  Reflect.set(Reader.prototype, "read_array_items", checked);
}

function isSound(section: Buffer, decode: Decode): boolean {
  try {
    decode(section);
    return true;
  } catch {
    return false;
  }
}

/** Header, annotations, properties and application properties (AMQP 1.0, part 3, 3.2). */
const BEFORE_BODY = new Set<unknown>([0x70, 0x71, 0x72, 0x73, 0x74]);

/**
 * Cuts a message into its sections, each with its descriptor, without the body. Stops at a section whose end can't be
 * found.
 */
function sectionsOf(encoded: Buffer): Buffer[] {
  const sections: Buffer[] = [];
  const reader = new Reader(encoded);
  try {
    while (reader.remaining() > 0) {
      const start = reader.position;
      const { typecode, descriptor } = reader.read_constructor();
      const size = sizeOf(typecode, reader);
      reader.position += size;
      if (BEFORE_BODY.has(descriptor?.value)) sections.push(encoded.subarray(start, reader.position));
    }
  } catch {
    // The message is cut short here; the sections before this are good.
  }
  return sections;
}

/**
 * Finds how many bytes a value takes, by the upper half of its type's code (AMQP 1.0, part 1, 1.2). Reads past the
 * size, if it has one.
 */
function sizeOf(typecode: number, reader: AmqpReader): number {
  const category = typecode >> 4;
  if (category >= 0xa) return reader.read_uint(category % 2 === 0 ? 1 : 4);
  return category <= 4 ? 0 : 2 ** (category - 5);
}
