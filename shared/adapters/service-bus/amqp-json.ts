/** Writes an AMQP value as JSON, with 64-bit integers as text: JSON has no bigint, and `JSON.stringify` would throw. */
export function amqpJson(value: unknown): string | undefined {
  return JSON.stringify(value, (_name, held: unknown) => (typeof held === "bigint" ? held.toString() : held));
}
