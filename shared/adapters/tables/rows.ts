import { createDefaultHttpClient } from "@azure/core-rest-pipeline";
import { odata, TableClient, type TableServiceClientOptions } from "@azure/data-tables";
import type { Clock, Reading, ServiceClock } from "../../clock.ts";
import { once } from "../../once.ts";
import { ROLES } from "../azure/remedy.ts";
import type { StorageConnection } from "../azure/storage-connection.ts";
import { isMissing, type StorageService, translated } from "../azure/storage-error.ts";
import { retryAfterMs } from "../retry-after.ts";
import type { Columns } from "./columns.ts";
import { makeTableExchange } from "./exchange.ts";
import { groupWrites } from "./groups.ts";
import type { KeyRange } from "./keys.ts";
import { makeQueries, type NextPage } from "./queries.ts";
import { makeTransactions, type Step } from "./transactions.ts";

type AdditionalPolicy = NonNullable<TableServiceClientOptions["additionalPolicies"]>[number];

export interface TableRowsOptions {
  readonly connection: StorageConnection;
  readonly tableName: string;
  readonly clock: Clock;
  /** The time-out of each request, its retries included. */
  readonly timeoutMs: number;
  /** Is called with the time of the service that each answer names, and both clocks before its request was sent. */
  readonly onServiceTime?: ServiceClock["hear"];
}

export interface Row {
  readonly partitionKey: string;
  readonly rowKey: string;
  readonly etag: string;
  readonly columns: Columns;
  /** Both clocks, taken before the request that read the row was sent. */
  readonly read: Reading;
}

/** The outcome of a write: the new ETags in order, and both clocks before it was sent. */
interface Written {
  readonly etags: readonly string[];
  readonly read: Reading;
}

/**
 * One table, made on first use. Each request has a time-out and few retries; `doing` says in errors what it was for.
 * Throws ConflictError if another writer was first, and UnavailableError for a failure that may pass by itself.
 */
export interface TableRows {
  get(partitionKey: string, rowKey: string, doing: string): Promise<Row | undefined>;
  /** Gives the rows of a range in the order of their keys, page by page. `filter` and `select` narrow it further. */
  pages(partitionKey: string, range: KeyRange, options: QueryOptions, doing: string): AsyncIterable<Row[]>;
  /** Resolves to all of these rows. */
  query(partitionKey: string, range: KeyRange, options: QueryOptions, doing: string): Promise<Row[]>;
  insert(partitionKey: string, rowKey: string, columns: Columns, doing: string): Promise<void>;
  /** Writes a row over whatever is there, for rows whose last writer may win. */
  put(partitionKey: string, rowKey: string, columns: Columns, doing: string): Promise<void>;
  /** Does all steps or none, in one partition. */
  transact(steps: readonly Step[], doing: string): Promise<Written>;
}

/** Reads each row by `read`, and leaves out those for which it throws a BadRowError. */
export type ReadRows = <T>(found: readonly Row[], read: (row: Row) => T) => T[];

interface QueryOptions {
  readonly filter?: string;
  /** Names of columns; all of them by default. */
  readonly select?: string[];
  /** No more rows than this. */
  readonly limit?: number;
}

/** Makes the access to one table. */
export function makeTableRows(options: TableRowsOptions): TableRows {
  const { clock, tableName, timeoutMs } = options;
  const { connection } = options;
  const service: StorageService = { name: `The table ${tableName}`, role: ROLES.table, connection, timeoutMs };
  const httpClient = createDefaultHttpClient();
  const allowInsecureConnection = isInsecure(connection);
  const client = connect(connection, tableName, {
    httpClient,
    allowInsecureConnection,
    additionalPolicies: [failIfToldToWait, hearTime(options)],
    retryOptions: { maxRetries: 2, retryDelayInMs: 200, maxRetryDelayInMs: 1000 },
  });
  const exchange = makeTableExchange(client, httpClient, allowInsecureConnection);
  const submit = makeTransactions(exchange);
  const queries = makeQueries(exchange);

  const inTime = () => AbortSignal.timeout(timeoutMs);

  const write = groupWrites((steps) => submit(steps, inTime()));

  const makeTable = once(() => client.createTable({ abortSignal: inTime() }));

  /** Sends a request, and resolves to its answer and the time before it was sent. */
  const send = async <T>(doing: string, request: () => Promise<T>): Promise<{ got: T; read: Reading }> => {
    try {
      await makeTable();
      const read = clock.read();
      return { got: await request(), read };
    } catch (error) {
      throw translated(error, doing, service);
    }
  };

  async function* pages(
    partitionKey: string,
    range: KeyRange,
    { filter, select, limit = Number.POSITIVE_INFINITY }: QueryOptions,
    doing: string,
  ): AsyncGenerator<Row[]> {
    const keys = odata`PartitionKey eq ${partitionKey} and RowKey ge ${range.from} and RowKey lt ${range.below}`;
    const query = {
      filter: filter === undefined ? keys : `${keys} and ${filter}`,
      ...(select === undefined ? {} : { select: ["RowKey", ...select] }),
    };
    let left = limit;
    let from: NextPage | undefined;
    do {
      const top = Math.min(left, MAX_PAGE);
      const { got: page, read } = await send(doing, () => queries.page({ ...query, top }, from, inTime()));
      const rows = page.rows.slice(0, left);
      left -= rows.length;
      from = page.next;
      yield rows.map((row) => ({ partitionKey, ...row, read }));
    } while (from !== undefined && left > 0);
  }

  return {
    async get(partitionKey, rowKey, doing) {
      const { got, read } = await send(doing, () =>
        queries.row(partitionKey, rowKey, inTime()).catch(undefinedIfMissing),
      );
      return got && { partitionKey, ...got, read };
    },
    pages,
    async query(partitionKey, range, queryOptions, doing) {
      const rows: Row[] = [];
      for await (const page of pages(partitionKey, range, queryOptions, doing)) rows.push(...page);
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

/** The most rows that the service gives in one answer. */
const MAX_PAGE = 1000;

const PATIENCE_MS = 1000;

/**
 * Fails at once if the service asks to wait for more than a moment. The SDK would sleep for that long, which may exceed
 * our time-out, and the caller would only learn that no answer came.
 */
const failIfToldToWait: AdditionalPolicy = {
  position: "perRetry",
  policy: {
    name: "failIfToldToWaitPolicy",
    async sendRequest(request, next) {
      const response = await next(request);
      if (
        response.status < 400 ||
        (retryAfterMs(response.headers.get("retry-after"), response.headers.get("date")) ?? 0) <= PATIENCE_MS
      )
        return response;
      // A plain Error, because the SDK would retry its own kind of error.
      throw Object.assign(new Error("The service asks to be left alone."), { statusCode: response.status, response });
    },
  },
};

/** Reads the service's time in each of its answers, refusals included. */
function hearTime({ clock, onServiceTime }: TableRowsOptions): AdditionalPolicy {
  return {
    position: "perRetry",
    policy: {
      name: "hearTimePolicy",
      async sendRequest(request, next) {
        const sent = clock.read();
        const response = await next(request);
        // A proxy on the way may answer for the service, and its time is not the service's.
        const isServices = response.headers.has("x-ms-request-id");
        const serviceMs = Date.parse(response.headers.get("date") ?? "");
        if (isServices && !Number.isNaN(serviceMs)) onServiceTime?.(serviceMs, sent);
        return response;
      },
    },
  };
}

function connect(connection: StorageConnection, tableName: string, options: TableServiceClientOptions): TableClient {
  if (connection.kind === "identity")
    return new TableClient(connection.endpoint, tableName, connection.credential, options);
  return TableClient.fromConnectionString(connection.value, tableName, options);
}

/** Whether http is allowed: only if the connection string says so, as a storage emulator's does. */
function isInsecure(connection: StorageConnection): boolean {
  if (connection.kind === "identity") return false;
  return /(?:TableEndpoint=|DefaultEndpointsProtocol=)http(?:;|:|$)/i.test(connection.value);
}

function undefinedIfMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error;
}

/** Reads a row that the caller can't do without. Throws an Error that names the row if it can't be read. */
export function strictly<T>(row: Row, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Error(
      `The row ${row.rowKey} of partition ${row.partitionKey} can't be read. Restore it if it was edited by hand.`,
      {
        cause: error,
      },
    );
  }
}
