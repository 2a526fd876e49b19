/** A value as a Functions host hands it over (protobuf `TypedData`). Exactly one field is set. */
export interface Rpc {
  readonly string?: string;
  readonly json?: string;
  readonly bytes?: Uint8Array;
  readonly int?: number;
  readonly double?: number;
  readonly http?: RpcHttp;
}

/** An HTTP request or response as a Functions host hands it over. */
export interface RpcHttp {
  readonly method?: string;
  readonly url?: string;
  readonly statusCode?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Rpc | null;
}

/** One input or output of a function, as the library registers it. */
export interface Binding {
  readonly type: string;
  readonly direction?: string;
  readonly [setting: string]: unknown;
}

/** One function of the app, as it registered itself. */
export interface RegisteredFunction {
  readonly name: string;
  readonly bindings: Readonly<Record<string, Binding>>;
  readonly trigger: { readonly bindingName: string; readonly binding: Binding };
  readonly callback: (...args: unknown[]) => unknown;
}

export type HookCallback = (context: Record<string, unknown>) => unknown;

export type LogLevel = "trace" | "debug" | "information" | "warning" | "error" | "critical" | "none";

/** Wraps a value as JSON, as the host sends everything that is neither text nor bytes. */
export function asJson(value: unknown): Rpc {
  return { json: JSON.stringify(value) };
}
