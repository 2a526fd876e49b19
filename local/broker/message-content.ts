import { randomBytes } from "node:crypto";
import type { Typed } from "rhea";
import rhea from "rhea";
import { encode, itemsOf, readerOf, section } from "./amqp.ts";
import { badArgument, tooLarge } from "./broker-error.ts";

/** The largest message of the Standard tier, in bytes. */
export const MAX_MESSAGE_BYTES = 256 * 1024;
/** The most that all properties of one message may take, in bytes. */
const MAX_PROPERTIES_BYTES = 64 * 1024;

const HEADER = 0x70;
const MESSAGE_ANNOTATIONS = 0x72;
const PROPERTIES = 0x73;
const APPLICATION_PROPERTIES = 0x74;
const FIRST_BODY_SECTION = 0x75;
const SCHEDULED = "x-opt-scheduled-enqueue-time";
const CODE_BY_SYMBOL: Readonly<Record<string, number>> = {
  "amqp:header:list": HEADER,
  "amqp:delivery-annotations:map": 0x71,
  "amqp:message-annotations:map": MESSAGE_ANNOTATIONS,
  "amqp:properties:list": PROPERTIES,
  "amqp:application-properties:map": APPLICATION_PROPERTIES,
};

/** A sender's message, kept encoded. The broker looks into it, but never translates it. */
export interface MessageContent {
  /** The properties section. It always holds a message id. */
  readonly properties: Buffer;
  readonly applicationProperties?: Buffer;
  /** The body and the footer, encoded. */
  readonly body: Buffer;
  readonly ttlMs?: number;
  /** When it is to be enqueued, if that is later than it came. */
  readonly scheduledAt?: number;
  /** The sender's own annotations, without those that belong to the broker. */
  readonly annotations: Readonly<Record<string, Typed>>;
}

/** Properties to set on a message, by name, as the client encoded them. */
export type PropertyChanges = ReadonlyMap<string, Typed>;

/**
 * Takes an encoded message apart. Refuses what the service refuses: a message over 256 KB, properties over 64 KB, and
 * bytes that are no message.
 */
export function readContent(raw: Buffer, now: number): MessageContent {
  if (raw.length > MAX_MESSAGE_BYTES) {
    throw tooLarge(`The received message (size: ${raw.length} bytes) exceeds the limit (${MAX_MESSAGE_BYTES} bytes).`);
  }
  const { sections, body } = split(raw);
  const applicationProperties = sections.get(APPLICATION_PROPERTIES);
  const ttl: unknown = itemsOf(sections.get(HEADER))[2]?.value;
  const annotations = new Map(entriesOf(sections.get(MESSAGE_ANNOTATIONS)));
  const scheduledAt = Number(annotations.get(SCHEDULED)?.value ?? 0);
  const content: MessageContent = {
    properties: encode(withMessageId(sections.get(PROPERTIES))),
    ...(applicationProperties === undefined ? {} : { applicationProperties: encode(applicationProperties) }),
    // Copies the body, because a slice would keep the whole chunk that the socket read.
    body: Buffer.from(body),
    ...(typeof ttl === "number" && ttl > 0 ? { ttlMs: ttl } : {}),
    ...(scheduledAt > now ? { scheduledAt } : {}),
    annotations: sendersOwn(annotations),
  };
  refuseTooManyProperties(content);
  return content;
}

function split(raw: Buffer): { sections: Map<number, Typed>; body: Buffer } {
  const sections = new Map<number, Typed>();
  const reader = readerOf(raw);
  while (reader.remaining() > 0) {
    const start = reader.position;
    const descriptor: unknown = reader.read_constructor().descriptor?.value;
    const code = typeof descriptor === "string" ? CODE_BY_SYMBOL[descriptor] : descriptor;
    if (code === undefined && typeof descriptor !== "string") throw badArgument("The message is not an AMQP message.");
    if (typeof code !== "number" || code >= FIRST_BODY_SECTION) return { sections, body: raw.subarray(start) };
    reader.position = start;
    sections.set(code, reader.read());
  }
  return { sections, body: Buffer.alloc(0) };
}

/** Gives a message without an id one, as the service does. */
function withMessageId(properties: Typed | undefined): Typed {
  const fields = [...itemsOf(properties)];
  const messageId = fields[0];
  if (properties !== undefined && messageId !== undefined && messageId.value !== null) return properties;
  fields[0] = rhea.types.wrap_string(randomBytes(16).toString("hex"));
  return section(PROPERTIES, rhea.types.wrap_list(fields));
}

/** Leaves out the annotations that belong to the broker. */
function sendersOwn(annotations: ReadonlyMap<string, Typed>): Record<string, Typed> {
  const own = [...annotations].filter(([name]) => !name.startsWith("x-opt-") || name === "x-opt-partition-key");
  return Object.fromEntries(own);
}

function refuseTooManyProperties(content: MessageContent): void {
  const bytes = content.properties.length + (content.applicationProperties?.length ?? 0);
  if (bytes > MAX_PROPERTIES_BYTES) {
    throw tooLarge(`The properties of the message (${bytes} bytes) exceed the limit (${MAX_PROPERTIES_BYTES} bytes).`);
  }
}

function entriesOf(map: Typed | undefined): [string, Typed][] {
  const entries: [string, Typed][] = [];
  let key: Typed | undefined;
  for (const item of itemsOf(map)) {
    if (key !== undefined) entries.push([String(key.value), item]);
    key = key === undefined ? item : undefined;
  }
  return entries;
}

/**
 * The same content with application properties set or replaced. Throws if they have no space, unless the broker itself
 * sets them.
 */
export function withProperties(
  content: MessageContent,
  changes: PropertyChanges,
  options: { readonly byBroker?: boolean } = {},
): MessageContent {
  if (changes.size === 0) return content;
  const current = content.applicationProperties;
  const merged = new Map(entriesOf(current === undefined ? undefined : readerOf(current).read()));
  for (const [name, value] of changes) merged.set(name, value);
  const map = rhea.types.wrap_map(Object.fromEntries(merged));
  const changed = { ...content, applicationProperties: encode(section(APPLICATION_PROPERTIES, map)) };
  if (options.byBroker !== true) refuseTooManyProperties(changed);
  return changed;
}

/** The values of a decoded map as they were encoded. Empty if there is no map. */
export function propertyChanges(map: Typed | undefined): PropertyChanges {
  return new Map(entriesOf(map));
}

/** Wraps values again that have lost their encoding. */
export function wrapChanges(values: Readonly<Record<string, unknown>> | null | undefined): PropertyChanges {
  return new Map(Object.entries(values ?? {}).map(([name, value]) => [name, rhea.types.wrap(value)]));
}

/** The properties of a message that filters ask about. */
export interface FilterableMessage {
  readonly messageId?: unknown;
  readonly to?: unknown;
  readonly subject?: unknown;
  readonly replyTo?: unknown;
  readonly correlationId?: unknown;
  readonly contentType?: unknown;
  readonly sessionId?: unknown;
  readonly replyToSessionId?: unknown;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** The properties of a message in plain JavaScript values. */
export function filterable(content: MessageContent): FilterableMessage {
  const message = rhea.message.decode(
    Buffer.concat([content.properties, content.applicationProperties ?? Buffer.alloc(0)]),
  );
  const properties: Record<string, unknown> | undefined = message["application_properties"];
  return {
    messageId: message["message_id"],
    to: message["to"],
    subject: message["subject"],
    replyTo: message["reply_to"],
    correlationId: message["correlation_id"],
    contentType: message["content_type"],
    sessionId: message["group_id"],
    replyToSessionId: message["reply_to_group_id"],
    properties: properties ?? {},
  };
}

/** What the broker adds to a message when it hands it out or shows it. */
export interface Postmark {
  readonly sequenceNumber: number | Buffer;
  readonly enqueuedAt: number;
  readonly deliveryCount: number;
  readonly state: "active" | "deferred" | "scheduled";
  readonly lockedUntil?: number;
  /** Infinity if it never expires. */
  readonly expiresAt: number;
}

const MAX_UINT = 0xffffffff;

/** The whole message, encoded as it goes over the wire. */
export function writeMessage(content: MessageContent, postmark: Postmark): Buffer {
  const { types } = rhea;
  const ttl = Math.min(postmark.expiresAt - postmark.enqueuedAt, MAX_UINT + 1);
  const header = types.wrap_list([
    types.wrap_boolean(true),
    undefined,
    ttl > MAX_UINT ? undefined : types.wrap_uint(ttl),
    undefined,
    types.wrap_uint(postmark.deliveryCount),
  ]);
  const annotations = types.wrap_symbolic_map({
    ...content.annotations,
    "x-opt-sequence-number": types.wrap_long(postmark.sequenceNumber),
    "x-opt-enqueued-time": types.wrap_timestamp(postmark.enqueuedAt),
    "x-opt-message-state": types.wrap_int({ active: 0, deferred: 1, scheduled: 2 }[postmark.state]),
    ...(postmark.state === "scheduled" ? { [SCHEDULED]: types.wrap_timestamp(postmark.enqueuedAt) } : {}),
    ...(postmark.lockedUntil === undefined ? {} : { "x-opt-locked-until": types.wrap_timestamp(postmark.lockedUntil) }),
  });
  return Buffer.concat([
    encode(section(HEADER, header), section(MESSAGE_ANNOTATIONS, annotations)),
    content.properties,
    content.applicationProperties ?? Buffer.alloc(0),
    content.body,
  ]);
}
