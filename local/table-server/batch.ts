import type { Entities, Operation } from "./entities.ts";
import { type Entity, etagOf } from "./entity.ts";
import { readOperation, type TableRequest } from "./requests.ts";
import { TableError } from "./table-error.ts";

const MOST_OPERATIONS = 100;
const MOST_BYTES = 4 * 1024 * 1024;
const LINE = "\r\n";

/** The type of the answer to a transaction. */
export const BATCH_TYPE = "multipart/mixed; boundary=batchresponse_0";

/** What became of a transaction. */
interface Outcome {
  /** The body of the answer. Its status is 202, also if nothing was done. */
  readonly answer: string;
  /** How many rows were written. */
  readonly written: number;
}

/**
 * Does all operations of an entity group transaction or none. The answer names the first operation that is refused by
 * its index. Throws TableError if the body is too large.
 */
export function runBatch(body: string, tableOf: (name: string) => Entities): Outcome {
  if (Buffer.byteLength(body) > MOST_BYTES) throw new TableError("RequestBodyTooLarge");
  let index = 0;
  try {
    const requests = readParts(body);
    if (requests.length > MOST_OPERATIONS) {
      const words = `The batch request operation exceeds the maximum ${MOST_OPERATIONS} changes per change set.`;
      throw new TableError("InvalidInput", words);
    }
    const steps: { readonly table: string; readonly operation: Operation }[] = [];
    for (const request of requests) {
      const step = readOperation(request);
      const [first = step] = steps;
      if (step.table !== first.table || step.operation.key.partitionKey !== first.operation.key.partitionKey)
        throw new TableError("CommandsInBatchActOnDifferentPartitions");
      if (steps.some(({ operation }) => operation.key.rowKey === step.operation.key.rowKey))
        throw new TableError("InvalidDuplicateRow");
      // Each operation has a row of its own, so that those before it change nothing about the check.
      tableOf(step.table).check(step.operation);
      steps.push(step);
      index += 1;
    }
    const left = steps.map(({ table, operation }) => tableOf(table).write(operation));
    return { answer: answerOf(left.map(done)), written: left.length };
  } catch (error) {
    if (!(error instanceof TableError)) throw error;
    return { answer: answerOf([refused(index, error)]), written: 0 };
  }
}

/** Cuts the body into its requests. JSON has no line break in it, so that no text of a row looks like a boundary. */
function readParts(body: string): TableRequest[] {
  const [, boundary = "?"] = /boundary=(changeset_[\w-]+)/.exec(body) ?? [];
  const parts = body.split(`--${boundary}`).slice(1, -1);
  if (parts.length === 0) throw new TableError("InvalidInput", "The transaction has no operation.");
  return parts.map((part) => {
    const [, method = "", url] = /^(\w+) (\S+) HTTP\/1\.1\r$/m.exec(part) ?? [];
    if (url === undefined) throw new TableError("InvalidInput", "An operation has no request line.");
    return {
      method,
      path: new URL(url).pathname,
      ifMatch: /^if-match: *(.*)\r$/im.exec(part)?.[1],
      body: /^\{[^\r\n]*\}/m.exec(part)?.[0] ?? "",
    };
  });
}

function answerOf(parts: readonly string[]): string {
  return [
    "--batchresponse_0",
    "Content-Type: multipart/mixed; boundary=changesetresponse_0",
    "",
    ...parts,
    "--changesetresponse_0--",
    "--batchresponse_0--",
    "",
  ].join(LINE);
}

function done(left: Entity | undefined): string {
  return part("204 No Content", left === undefined ? "" : `ETag: ${etagOf(left)}${LINE}`);
}

function refused(index: number, error: TableError): string {
  return part(`${error.status} ${error.code}`, `Content-Type: application/json${LINE}${LINE}${error.body(index)}`);
}

function part(status: string, rest: string): string {
  return [
    "--changesetresponse_0",
    "Content-Type: application/http",
    "Content-Transfer-Encoding: binary",
    "",
    `HTTP/1.1 ${status}`,
    `DataServiceVersion: 3.0;${LINE}${rest}`,
    "",
  ].join(LINE);
}
