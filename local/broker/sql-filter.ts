import type { FilterableMessage } from "./message-content.ts";
import type { MessageFilter } from "./message-filter.ts";

const SYSTEM_PROPERTIES: Readonly<Record<string, Exclude<keyof FilterableMessage, "properties">>> = {
  label: "subject",
  subject: "subject",
  messageid: "messageId",
  correlationid: "correlationId",
  to: "to",
  replyto: "replyTo",
  contenttype: "contentType",
  sessionid: "sessionId",
  replytosessionid: "replyToSessionId",
};

type Operand = (message: FilterableMessage) => unknown;

const TOKEN = /\s*(?:'((?:[^']|'')*)'|(-?\d+(?:\.\d+)?)|\[([^\]]+)\]|([A-Za-z_][\w.-]*)|(=))/y;

/**
 * Compiles conditions of the form `sys.Label = 'x' AND color = 'red' AND size = 3 AND 1 = 1`: comparisons for equality
 * of properties, quoted strings, numbers, TRUE and FALSE, joined by AND. Names ignore case. Throws on anything else, so
 * that it never delivers the wrong messages.
 */
export function parseSqlFilter(sql: string): MessageFilter {
  const refuse = (at: number): never => {
    throw new Error(
      `the SQL filter "${sql}" is more than the local broker knows, at "${sql.slice(at)}". Write name = value, joined by AND`,
    );
  };
  const tokens = tokenize(sql, refuse);
  const comparisons: MessageFilter[] = [];
  let index = 0;
  for (;;) {
    const [left, equals, right] = tokens.slice(index, index + 3);
    if (left?.operand === undefined || !equals?.isEquals || right?.operand === undefined) {
      return refuse(left?.at ?? sql.length);
    }
    comparisons.push(equal(left.operand, right.operand));
    const and = tokens[index + 3];
    if (and === undefined) return (message) => comparisons.every((matches) => matches(message));
    if (and.word?.toUpperCase() !== "AND") return refuse(and.at);
    index += 4;
  }
}

interface Token {
  readonly at: number;
  readonly isEquals: boolean;
  readonly word?: string;
  readonly operand?: Operand;
}

function tokenize(sql: string, refuse: (at: number) => never): Token[] {
  const tokens: Token[] = [];
  const end = sql.trimEnd().length;
  const pattern = new RegExp(TOKEN);
  while (pattern.lastIndex < end) {
    const at = pattern.lastIndex;
    const match = pattern.exec(sql);
    if (match === null) return refuse(at);
    const [, text, number, bracketed, word, equals] = match;
    if (text !== undefined) tokens.push({ at, isEquals: false, operand: constant(text.replaceAll("''", "'")) });
    else if (number !== undefined) tokens.push({ at, isEquals: false, operand: constant(Number(number)) });
    else if (bracketed !== undefined) tokens.push({ at, isEquals: false, operand: property(bracketed) });
    else if (word !== undefined)
      tokens.push({ at, isEquals: false, word, operand: namedOperand(word, () => refuse(at)) });
    else tokens.push({ at, isEquals: equals !== undefined });
  }
  return tokens;
}

const constant =
  (value: unknown): Operand =>
  () =>
    value;
/** The value of a property of this name, which ignores case, as the service's names in SQL do. */
const property = (name: string): Operand => {
  const wanted = name.toLowerCase();
  return ({ properties }) => Object.entries(properties).find(([own]) => own.toLowerCase() === wanted)?.[1];
};

function namedOperand(word: string, refuse: () => never): Operand {
  if (/^(true|false)$/i.test(word)) return constant(word.toLowerCase() === "true");
  const scope = /^(?:sys|user)\./i.exec(word)?.[0] ?? "";
  const name = word.slice(scope.length);
  if (scope.toLowerCase() !== "sys.") return property(name);
  const key = SYSTEM_PROPERTIES[name.toLowerCase()];
  return key === undefined ? refuse() : (message) => message[key];
}

function equal(left: Operand, right: Operand): MessageFilter {
  return (message) => {
    const value = left(message);
    return value !== undefined && value !== null && value === right(message);
  };
}
