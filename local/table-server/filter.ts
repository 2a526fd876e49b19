import { guid, int64, time, type Value } from "./edm.ts";
import { type Entity, valueOf } from "./entity.ts";
import { TableError } from "./table-error.ts";

/** A `$filter` that was read. */
export interface Filter {
  /** Decides about one entity. A column that it lacks matches nothing. */
  readonly matches: (entity: Entity) => boolean;
  /** Comparisons that hold for every entity that matches. They bound the keys of a query. */
  readonly needed: readonly Comparison[];
}

interface Comparison {
  readonly column: string;
  readonly operator: Operator;
  readonly literal: Value;
}

/** What each operator says of the order of a column and a literal. */
const OPERATORS = {
  eq: (order: number) => order === 0,
  ne: (order: number) => order !== 0,
  gt: (order: number) => order > 0,
  ge: (order: number) => order >= 0,
  lt: (order: number) => order < 0,
  le: (order: number) => order <= 0,
} as const;

type Operator = keyof typeof OPERATORS;

/**
 * Reads the filters of the service: `<column> <operator> <literal>`, joined by `and`, `or`, `not` and parentheses.
 * Throws TableError if the text is anything else.
 */
export function parseFilter(text: string): Filter {
  const tokens = readTokens(text);
  const filter = readOr(tokens);
  if (tokens.length > 0) throw invalid();
  return filter;
}

/** The tokens that are left to read. Reading takes them from the front. */
type Tokens = string[];

function readTokens(text: string): Tokens {
  const token = /\s*([A-Za-z]*'(?:[^']|'')*'|[()]|[^\s()']+)\s*/y;
  const tokens: string[] = [];
  while (token.lastIndex < text.length) {
    const found = token.exec(text)?.[1];
    // Nothing closes a quote.
    if (found === undefined) throw invalid();
    tokens.push(found);
  }
  return tokens;
}

function took(tokens: Tokens, word: string): boolean {
  if (tokens[0] !== word) return false;
  tokens.shift();
  return true;
}

function readOr(tokens: Tokens): Filter {
  const left = readAnd(tokens);
  if (!took(tokens, "or")) return left;
  const right = readOr(tokens);
  return { matches: (entity) => left.matches(entity) || right.matches(entity), needed: [] };
}

function readAnd(tokens: Tokens): Filter {
  const left = readOne(tokens);
  if (!took(tokens, "and")) return left;
  const right = readAnd(tokens);
  return {
    matches: (entity) => left.matches(entity) && right.matches(entity),
    needed: [...left.needed, ...right.needed],
  };
}

function readOne(tokens: Tokens): Filter {
  if (took(tokens, "not")) {
    const inner = readOne(tokens);
    return { matches: (entity) => !inner.matches(entity), needed: [] };
  }
  if (!took(tokens, "(")) return readComparison(tokens);
  const inner = readOr(tokens);
  if (!took(tokens, ")")) throw invalid();
  return inner;
}

function readComparison(tokens: Tokens): Filter {
  const [column = "", operator = "", token = ""] = tokens.splice(0, 3);
  const literal = readLiteral(token);
  if (!/^[A-Za-z_]\w*$/.test(column) || !isOperator(operator) || literal === undefined) throw invalid();
  const holds = OPERATORS[operator];
  return {
    needed: [{ column, operator, literal }],
    matches(entity) {
      const held = valueOf(entity, column);
      if (held?.kind !== literal.kind) return false;
      if (held.value < literal.value) return holds(-1);
      // A long is a bigint and may be compared with a number, for which `===` would not do.
      return holds(held.value > literal.value ? 1 : 0);
    },
  };
}

function isOperator(word: string): word is Operator {
  return Object.hasOwn(OPERATORS, word);
}

function readLiteral(token: string): Value | undefined {
  const [, type = "", quoted] = /^([A-Za-z]*)'(.*)'$/s.exec(token) ?? [];
  if (quoted !== undefined) return QUOTED[type.toLowerCase()]?.(quoted.replaceAll("''", "'"));
  if (token === "true" || token === "false") return { kind: "boolean", value: token === "true" };
  if (/^-?\d+L$/i.test(token)) return int64(token.slice(0, -1));
  return /^-?\d/.test(token) ? { kind: "number", value: Number(token) } : undefined;
}

const QUOTED: Readonly<Record<string, (text: string) => Value | undefined>> = {
  "": (value) => ({ kind: "text", value }),
  datetime: time,
  guid,
  x: (hex) => ({ kind: "binary", value: hex.toLowerCase() }),
};

function invalid(): TableError {
  return new TableError("InvalidInput", "The query condition specified in the request is invalid.");
}
