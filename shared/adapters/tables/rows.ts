import { odata, TableClient, type TableEntityQueryOptions, type TableServiceClientOptions } from "@azure/data-tables";
import type { Clock, Reading } from "../../clock.ts";
import { ConflictError } from "../../errors.ts";
import { once } from "../../once.ts";
import { ROLES } from "../azure/remedy.ts";
import type { StorageConnection } from "../azure/storage-connection.ts";
import { codeOf, type StorageService, statusOf, translated } from "../azure/storage-error.ts";
import { retryAfterMs } from "../retry-after.ts";
import type { Columns } from "./columns.ts";
import { groupWrites } from "./groups.ts";
import type { KeyRange } from "./keys.ts";
import { type AdditionalPolicy, makeTransactions, type Step } from "./transactions.ts";

export interface TableRowsOptions {
  readonly connection: StorageConnection;
  readonly tableName: string;
  readonly clock: Clock;
  /** For each request, its retries included. */
  readonly timeoutMs: number;
}

export interface Row {
  readonly partitionKey: string;
  readonly rowKey: string;
  readonly etag: string;
  readonly columns: Columns;
  /** Taken before the request that read the row was sent. */
  readonly read: Reading;
}

/** A write's outcome: the ETags of what it wrote, in order, and both clocks before it was sent. */
interface Written {
  readonly etags: readonly string[];
  readonly read: Reading;
}

/**
 * One table, made on first use. Each request has a time-out and few retries; `doing` says in errors what it was for. What somebody else
 * won is a ConflictError, what passes by itself an UnavailableError.
 */
export interface TableRows {
  get(partitionKey: string, rowKey: string, doing: string): Promise<Row | undefined>;
  /** In the order of their keys. `filter` and `select` narrow it further. */
  query(partitionKey: string, range: KeyRange, options: QueryOptions, doing: string): Promise<Row[]>;
  insert(partitionKey: string, rowKey: string, columns: Columns, doing: string): Promise<void>;
  /** Whatever is there. For rows where the last writer may win. */
  put(partitionKey: string, rowKey: string, columns: Columns, doing: string): Promise<void>;
  /** Does all steps or none, in one partition. */
  transact(steps: readonly Step[], doing: string): Promise<Written>;
}

/** What `read` makes of each row, without those that it throws a BadRowError for. */
export type ReadRows = <T>(found: readonly Row[], read: (row: Row) => T) => T[];

interface QueryOptions {
  readonly filter?: string;
  /** Names of columns; all of them by default. */
  readonly select?: string[];
  /** No more rows than this. */
  readonly limit?: number;
}

export function makeTableRows(options: TableRowsOptions): TableRows {
  const { clock, tableName, timeoutMs } = options;
  const { connection } = options;
  const service: StorageService = { name: `The table ${tableName}`, role: ROLES.table, connection, timeoutMs };
  const transactions = makeTransactions();
  const client = connect(options.connection, tableName, {
    additionalPolicies: [transactions.policy, failWhereToldToWait],
    retryOptions: { maxRetries: 2, retryDelayInMs: 200, maxRetryDelayInMs: 1000 },
  });

  const inTime = () => AbortSignal.timeout(timeoutMs);

  /** A replace alone needs no transaction. */
  const write = groupWrites(async (steps) => {
    const abortSignal = inTime();
    const [first] = steps;
    if (steps.length > 1 || first?.kind !== "replace") return transactions.submit(client, steps, abortSignal);
    const { etag } = await client.updateEntity(first.row, "Replace", { etag: first.etag, abortSignal });
    return [etag ?? ""];
  });

  const makeTable = once(() => client.createTable({ abortSignal: inTime() }));

  /** Sends a request, and says what the time was before. */
  const send = async <T>(doing: string, request: () => Promise<T>): Promise<{ got: T; read: Reading }> => {
    try {
      await makeTable();
      const read = clock.read();
      return { got: await request(), read };
    } catch (error) {
      throw translated(error, doing, service);
    }
  };

  return {
    async get(partitionKey, rowKey, doing) {
      const { got, read } = await send(doing, () =>
        client.getEntity(partitionKey, rowKey, { abortSignal: inTime() }).catch(undefinedIfMissing),
      );
      return got && { partitionKey, rowKey, etag: got.etag, columns: { ...got }, read };
    },
    async query(partitionKey, range, { filter, select, limit = Number.POSITIVE_INFINITY }, doing) {
      const keys = odata`PartitionKey eq ${partitionKey} and RowKey ge ${range.from} and RowKey lt ${range.below}`;
      const queryOptions: TableEntityQueryOptions = {
        filter: filter === undefined ? keys : `${keys} and ${filter}`,
        ...(select === undefined ? {} : { select: ["rowKey", ...select] }),
      };
      const rows: Row[] = [];
      let token: string | undefined;
      do {
        const from: { continuationToken?: string } = token === undefined ? {} : { continuationToken: token };
        const { got: page, read } = await send(doing, async () => {
          const pages = client.listEntities({ queryOptions, abortSignal: inTime() }).byPage(from);
          for await (const page of pages) return page;
          return undefined;
        });
        for (const entity of page ?? []) {
          if (rows.length === limit) return rows;
          rows.push({ partitionKey, rowKey: entity.rowKey ?? "", etag: entity.etag, columns: entity, read });
        }
        // A page may be empty and yet have a successor.
        token = page?.continuationToken;
      } while (token !== undefined && rows.length < limit);
      return rows;
    },
    async insert(partitionKey, rowKey, columns, doing) {
      await send(doing, () => client.createEntity({ ...columns, partitionKey, rowKey }, { abortSignal: inTime() }));
    },
    async put(partitionKey, rowKey, columns, doing) {
      const row = { ...columns, partitionKey, rowKey };
      await send(doing, () => client.upsertEntity(row, "Replace", { abortSignal: inTime() }));
    },
    async transact(steps, doing) {
      const { got, read } = await send(doing, () => write(steps));
      return { etags: got, read };
    },
  };
}

const PATIENCE_MS = 1000;

/**
 * The SDK would sleep for as long as the service asks, which may be longer than our time-out, and the caller would never learn for how
 * long. So where that is more than a moment, the answer is an error at once.
 */
const failWhereToldToWait: AdditionalPolicy = {
  position: "perRetry",
  policy: {
    name: "failWhereToldToWaitPolicy",
    async sendRequest(request, next) {
      const response = await next(request);
      if (response.status < 400 || (retryAfterMs(response.headers.get("retry-after")) ?? 0) <= PATIENCE_MS)
        return response;
      // Not the SDK's own kind of error, which it would take for one to retry.
      throw Object.assign(new Error("The service asks to be left alone."), { statusCode: response.status, response });
    },
  },
};

function connect(connection: StorageConnection, tableName: string, options: TableServiceClientOptions): TableClient {
  if (connection.kind === "identity")
    return new TableClient(connection.endpoint, tableName, connection.credential, options);
  // http only where the connection string itself says so, as that of a storage emulator does.
  const allowInsecureConnection = /(?:TableEndpoint=|DefaultEndpointsProtocol=)http(?:;|:|$)/i.test(connection.value);
  return TableClient.fromConnectionString(connection.value, tableName, { ...options, allowInsecureConnection });
}

function undefinedIfMissing(error: unknown): undefined {
  if (statusOf(error) !== 404 || codeOf(error) === "TableNotFound") throw error;
}

/** For inserts where it is all the same who was first. */
export function unlessConflict(error: unknown): void {
  if (!(error instanceof ConflictError)) throw error;
}
