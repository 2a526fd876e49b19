import { randomUUID } from "node:crypto";
import type { PipelineResponse } from "@azure/core-rest-pipeline";
import { isRecord } from "../../plain-data.ts";
import type { Columns } from "./columns.ts";
import { keysInPath, refusal, type TableExchange } from "./exchange.ts";

interface RowKeys {
  readonly partitionKey: string;
  readonly rowKey: string;
}

/**
 * One step of a transaction. A merge leaves the columns alone that it doesn't name. All but creating and putting is on
 * condition of an ETag. A put writes its row over whatever is there, so it is for rows that are only written together
 * with a row that guards them.
 */
export type Step =
  | { readonly kind: "create"; readonly row: RowKeys & Columns }
  | { readonly kind: "put"; readonly row: RowKeys & Columns }
  | { readonly kind: "replace"; readonly row: RowKeys & Columns; readonly etag: string }
  | { readonly kind: "merge"; readonly row: RowKeys & Columns; readonly etag: string }
  | { readonly kind: "delete"; readonly row: RowKeys; readonly etag: string };

/**
 * Does all steps or none, in one partition. Resolves to the new ETags, in the order of the steps ("" for a deleted
 * row). Rejects with a RestError, as the SDK does, if the service refuses one of them.
 */
export type Transact = (steps: readonly Step[], signal: AbortSignal) => Promise<string[]>;

/**
 * Makes the transactions of a table. Only their text is written here: the SDK deletes a row of a transaction whatever
 * its ETag is, so that it would delete one that another replica has just changed, and it builds a client and a request
 * for each row (docs/decisions/0025).
 */
export function makeTransactions({ account, tableName, send }: TableExchange): Transact {
  const table = `${account}/${tableName}`;
  return async (steps, signal) => {
    const id = randomUUID();
    const headers = { "Content-Type": `multipart/mixed; boundary=batch_${id}` };
    const answer = await send({ method: "POST", path: "$batch", headers, body: bodyOf(steps, table, id) }, signal);
    return readAnswer(answer, steps);
  };
}

const LINE = "\r\n";

function bodyOf(steps: readonly Step[], table: string, id: string): string {
  const parts = steps.map((step) => `--changeset_${id}${LINE}${PART_HEAD}${requestOf(step, table)}`);
  const head = `--batch_${id}${LINE}Content-Type: multipart/mixed; boundary=changeset_${id}${LINE}${LINE}`;
  return `${head}${parts.join("")}--changeset_${id}--${LINE}--batch_${id}--${LINE}`;
}

const PART_HEAD = `Content-Type: application/http${LINE}Content-Transfer-Encoding: binary${LINE}${LINE}`;
const STEP_HEAD = `Accept: application/json;odata=minimalmetadata${LINE}DataServiceVersion: 3.0${LINE}`;
const JSON_HEAD = `${STEP_HEAD}Content-Type: application/json${LINE}Prefer: return-no-content${LINE}`;

const METHODS = { replace: "PUT", merge: "PATCH" } as const;

/** Writes the request of one step. A row is one line of JSON, so that no text of a sender looks like a line of these. */
function requestOf(step: Step, table: string): string {
  if (step.kind === "create") return `POST ${table} HTTP/1.1${LINE}${JSON_HEAD}${LINE}${jsonOf(step.row)}${LINE}`;
  const { partitionKey, rowKey } = step.row;
  const url = `${table}${keysInPath(partitionKey, rowKey)}`;
  if (step.kind === "put") return `PUT ${url} HTTP/1.1${LINE}${JSON_HEAD}${LINE}${jsonOf(step.row)}${LINE}`;
  const ifMatch = `If-Match: ${step.etag}${LINE}`;
  if (step.kind === "delete") return `DELETE ${url} HTTP/1.1${LINE}${STEP_HEAD}${ifMatch}${LINE}${LINE}`;
  return `${METHODS[step.kind]} ${url} HTTP/1.1${LINE}${JSON_HEAD}${ifMatch}${LINE}${jsonOf(step.row)}${LINE}`;
}

/** Writes a row as the service takes it: a value that JSON has no type for is text, with its type beside it. */
function jsonOf({ partitionKey, rowKey, ...columns }: RowKeys & Columns): string {
  const row: Record<string, unknown> = { PartitionKey: partitionKey, RowKey: rowKey };
  const typed = (name: string, type: string, value: unknown) => {
    row[name] = value;
    row[`${name}@odata.type`] = `Edm.${type}`;
  };
  for (const [name, value] of Object.entries(columns)) {
    if (typeof value === "bigint") typed(name, "Int64", String(value));
    else if (value instanceof Date) typed(name, "DateTime", value.toISOString());
    else if (value instanceof Uint8Array) typed(name, "Binary", Buffer.from(value).toString("base64"));
    // The SDK reads a type that JavaScript doesn't have as an object of the value and the type.
    else if (isRecord(value)) typed(name, String(value["type"]), value["value"]);
    else row[name] = value;
  }
  // JSON allows these two, but Azurite's reader of transactions takes them for the end of a line.
  return JSON.stringify(row).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}

/** Reads the new ETags. Throws a RestError if the service refused a step, or answers something else. */
function readAnswer(response: PipelineResponse, steps: readonly Step[]): string[] {
  const parts = (response.bodyAsText ?? "").split("--changesetresponse_").slice(1, -1);
  const answers = parts.map((part) => {
    const statusCode = Number(/HTTP\/1\.1 (\d{3})/.exec(part)?.[1]);
    // A refused transaction has one part, which says why, however many steps it has.
    if (!(statusCode < 300)) throw refusal(part, response, statusCode);
    return /^etag: *(.*?)\r?$/im.exec(part)?.[1] ?? "";
  });
  if (answers.length === steps.length) return answers;
  throw new Error(`The table service answered ${answers.length} operations of a transaction of ${steps.length}.`);
}

/**
 * Reads which step made the service refuse a transaction, counted from 0. Undefined if the error doesn't say. The
 * service begins its message with the number, such as `3:The specified entity already exists.`
 */
export function refusedStep(error: unknown): number | undefined {
  const [, step] = (error instanceof Error && /^(\d{1,2}):/.exec(error.message)) || [];
  return step === undefined ? undefined : Number(step);
}
