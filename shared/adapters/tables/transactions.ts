import {
  RestError,
  type TableClient,
  type TableServiceClientOptions,
  type TableTransactionEntityResponse,
  type TransactionAction,
} from "@azure/data-tables";
import type { Columns } from "./columns.ts";

export type AdditionalPolicy = NonNullable<TableServiceClientOptions["additionalPolicies"]>[number];

interface RowKeys {
  readonly partitionKey: string;
  readonly rowKey: string;
}

/**
 * One step of a transaction. All but creating is on condition of an ETag. A merge leaves the columns alone that it
 * doesn't name.
 */
export type Step =
  | { readonly kind: "create"; readonly row: RowKeys & Columns }
  | { readonly kind: "replace"; readonly row: RowKeys & Columns; readonly etag: string }
  | { readonly kind: "merge"; readonly row: RowKeys & Columns; readonly etag: string }
  | { readonly kind: "delete"; readonly row: RowKeys; readonly etag: string };

export interface Transactions {
  /** The policy for the options of the client that `submit` is called with. */
  readonly policy: AdditionalPolicy;
  /**
   * Does all steps or none, in one partition. Resolves to the new ETags, in the order of the steps ("" for a deleted
   * row).
   */
  submit(client: TableClient, steps: readonly Step[], signal: AbortSignal): Promise<string[]>;
}

/**
 * Makes transactions whose deletes are conditional. The SDK can't do that: it writes `If-Match: *` for every delete of
 * a transaction, and would delete a row that another replica has just changed. So a policy puts the ETags into the body
 * before it is signed and sent, and refuses to send a delete that has none.
 */
export function makeTransactions(): Transactions {
  // The signal belongs to one submit and travels with its request, so that the policy finds the ETags by it.
  const etagsOf = new WeakMap<object, ReadonlyMap<string, string>>();
  return {
    policy: {
      position: "perCall",
      policy: {
        name: "conditionalDeletesPolicy",
        sendRequest(request, next) {
          if (request.url.split("?")[0]?.endsWith("/$batch")) {
            if (typeof request.body !== "string")
              throw new TypeError("The tables SDK no longer sends a transaction as text.");
            const etags = request.abortSignal && etagsOf.get(request.abortSignal);
            request.body = rewritten(request.body, etags ?? new Map<string, string>());
          }
          return next(request);
        },
      },
    },
    async submit(client, steps, signal) {
      etagsOf.set(
        signal,
        new Map(steps.filter((step) => step.kind === "delete").map((step) => [step.row.rowKey, step.etag])),
      );
      const { subResponses } = await client.submitTransaction(steps.map(action), { abortSignal: signal });
      return steps.map((_, index) => etagOf(subResponses[index]));
    },
  };
}

function action(step: Step): TransactionAction {
  if (step.kind === "replace") return ["update", step.row, "Replace", { etag: step.etag }];
  if (step.kind === "merge") return ["update", step.row, "Merge", { etag: step.etag }];
  return [step.kind, { ...step.row }];
}

/**
 * Reads the new ETag. Throws if the operation was refused, because the SDK notices that only if the refusal is JSON.
 */
function etagOf(response: TableTransactionEntityResponse | undefined): string {
  if (response === undefined) throw new Error("The table service answered fewer operations than the transaction had.");
  const { status: statusCode, etag } = response;
  if (statusCode >= 400)
    throw new RestError(`The table service refused the transaction with ${statusCode}.`, { statusCode });
  return etag?.trim() ?? "";
}

/**
 * Reads which step made the service refuse a transaction, counted from 0. The service writes the number in front of its
 * message, such as `3:The specified entity already exists.` Undefined if there is none.
 */
export function refusedStep(error: unknown): number | undefined {
  const [, step] = (error instanceof Error && /^(\d{1,2}):/.exec(error.message)) || [];
  return step === undefined ? undefined : Number(step);
}

const LINE = "\r\n";

/**
 * Puts the ETags into the deletes of a transaction's body. A row's columns stand in one line of JSON that begins with
 * `{`, so that no text of a sender can look like a line of the protocol.
 */
function rewritten(body: string, etags: ReadonlyMap<string, string>): string {
  let deleting: string | undefined;
  const lines = body.split(LINE).map((line) => {
    if (line.startsWith("--")) {
      refuseUnconditional(deleting);
      deleting = undefined;
    }
    if (line.startsWith("DELETE ")) deleting = decodeURIComponent(/RowKey='([^']*)'\)/.exec(line)?.[1] ?? "");
    if (line.startsWith("{")) return withoutSeparators(line);
    if (deleting === undefined || !/^if-match:/i.test(line)) return line;
    const etag = etags.get(deleting);
    if (etag === undefined) return line;
    deleting = undefined;
    return `If-Match: ${etag}`;
  });
  return lines.join(LINE);
}

/**
 * Escapes U+2028 and U+2029. JSON allows them, but Azurite's reader of transactions takes them for the end of a line.
 */
function withoutSeparators(json: string): string {
  return json.replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}

function refuseUnconditional(row: string | undefined): void {
  if (row !== undefined)
    throw new Error(`A transaction would have deleted the row ${row} without an ETag, whatever it holds by now.`);
}
