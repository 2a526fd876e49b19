/** Whether a parsed value is an object with fields: neither null nor a list. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Writes any value of parsed JSON for an error. */
export function asJson(value: unknown): string {
  return JSON.stringify(value) ?? "nothing";
}

/** Writes a value for an error, as JSON on one line of at most 80 characters. */
export function shortJson(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

/** Finds the value at a path of parsed data; undefined if there is none. */
export function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const step of path) {
    if (Array.isArray(value)) value = value[Number(step)];
    else if (isRecord(value) && Object.hasOwn(value, step)) value = value[String(step)];
    else return undefined;
  }
  return value;
}

/** Leaves out what is undefined. */
export function present<Fields extends object>(fields: Fields) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Only fields that may be missing are left out.
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Fields]: Exclude<Fields[Name], undefined>;
  };
}
