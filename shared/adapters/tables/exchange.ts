import {
  createHttpHeaders,
  createPipelineRequest,
  type HttpClient,
  type PipelineResponse,
  RestError,
} from "@azure/core-rest-pipeline";
import type { TableClient } from "@azure/data-tables";
import { isRecord, valueAt } from "../../plain-data.ts";

/** A request to a table's account. */
interface TableRequest {
  readonly method: "GET" | "POST";
  /** The path below the account, such as `$batch`. */
  readonly path: string;
  /** The query, escaped, without its question mark. */
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/**
 * Sends requests to the account of one table through the SDK's pipeline, with its signatures, tokens and retries.
 */
export interface TableExchange {
  /** The address of the account, without a slash at its end. */
  readonly account: string;
  readonly tableName: string;
  /** Resolves to the answer. Rejects with a RestError, as the SDK does, if the service refuses the request. */
  readonly send: (request: TableRequest, signal: AbortSignal) => Promise<PipelineResponse>;
}

/** Makes the exchange of a client's table. */
export function makeTableExchange(
  { url, tableName, pipeline }: TableClient,
  http: HttpClient,
  allowInsecureConnection: boolean,
): TableExchange {
  const { origin, pathname, search } = new URL(url);
  const account = `${origin}${pathname.replace(/\/$/, "")}`;
  // A shared access signature is a query, and belongs to each request.
  const signature = search.slice(1);
  return {
    account,
    tableName,
    async send({ method, path, query = "", headers = {}, body }, signal) {
      const queries = [query, signature].filter((part) => part !== "").join("&");
      const request = createPipelineRequest({
        url: `${account}/${path}${queries === "" ? "" : `?${queries}`}`,
        method,
        headers: createHttpHeaders({
          accept: "application/json",
          "x-ms-version": "2019-02-02",
          DataServiceVersion: "3.0;",
          MaxDataServiceVersion: "3.0;NetFx",
          ...headers,
        }),
        ...(body === undefined ? {} : { body }),
        abortSignal: signal,
        allowInsecureConnection,
      });
      const response = await pipeline.sendRequest(http, request);
      if (response.status >= 300) throw refusal(response.bodyAsText ?? "", response, response.status);
      return response;
    },
  };
}

/** Gives the part of a path that names one row of a table. */
export function keysInPath(partitionKey: string, rowKey: string): string {
  return `(PartitionKey='${escaped(partitionKey)}',RowKey='${escaped(rowKey)}')`;
}

function escaped(key: string): string {
  return encodeURIComponent(key.replaceAll("'", "''"));
}

/** Says why the service refused a request, or one part of it: by the JSON that stands in its answer. */
export function refusal(text: string, response: PipelineResponse, statusCode: number): RestError {
  const error = errorIn(text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1));
  const code = valueAt(error, ["odata.error", "code"]);
  const message = valueAt(error, ["odata.error", "message", "value"]);
  return new RestError(typeof message === "string" ? message : "The table service refused a request.", {
    ...(typeof code === "string" ? { code } : {}),
    statusCode,
    request: response.request,
    response,
  });
}

function errorIn(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}
