import { randomBytes, randomUUID } from "node:crypto";
import type { LoadedApp } from "./core-api.ts";
import type { HostLog } from "./host-log.ts";
import type { RegisteredFunction, Rpc } from "./rpc.ts";

/** What a trigger hands to its function. */
export interface Trigger {
  readonly input: Rpc;
  readonly metadata: Readonly<Record<string, Rpc>>;
  /** The sender's W3C trace context, if the message or the request carries one. */
  readonly traceparent?: string;
}

/**
 * Runs a function once. Resolves to its return value. Rejects with what it threw, or with an Error when
 * `functionTimeout` passed.
 */
export type Invoke = (fn: RegisteredFunction, trigger: Trigger) => Promise<Rpc | null | undefined>;

/**
 * Makes the host's one way to run a function. When `functionTimeout` passes, the real host ends the whole worker. This
 * host gives up the invocation as failed, goes on, and ignores the function's result if it ever comes.
 */
export function makeInvoke(app: LoadedApp, log: HostLog, functionTimeoutMs: number): Invoke {
  return async (fn, trigger) => {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      const late = new Error(`${fn.name} ran longer than functionTimeout, ${functionTimeoutMs} ms`);
      timer = setTimeout(() => reject(late), functionTimeoutMs);
    });
    try {
      return await Promise.race([run(app, log, fn, trigger), timeout]);
    } finally {
      clearTimeout(timer);
    }
  };
}

interface InvocationHookContext extends Record<string, unknown> {
  inputs: unknown[];
  functionCallback: RegisteredFunction["callback"];
  result?: unknown;
  error?: unknown;
}

async function run(app: LoadedApp, log: HostLog, fn: RegisteredFunction, trigger: Trigger) {
  const invocationId = randomUUID();
  const coreContext = {
    invocationId,
    metadata: { name: fn.name, bindings: fn.bindings },
    request: {
      invocationId,
      inputData: [{ name: fn.trigger.bindingName, data: trigger.input }],
      triggerMetadata: trigger.metadata,
      traceContext: { traceParent: childOf(trigger.traceparent), traceState: "", attributes: {} },
    },
    log: log.of(fn.name),
    state: undefined as string | undefined,
  };
  const model = app.model.getInvocationModel(coreContext);
  const { context, inputs } = await model.getArguments();
  // Hooks may replace the handler, its arguments and its result.
  const hookContext: InvocationHookContext = {
    ...hookData(),
    invocationContext: context,
    inputs,
    functionCallback: fn.callback,
  };

  coreContext.state = "preInvocationHooks";
  await callHooks(app, "preInvocation", hookContext);
  coreContext.state = "invocation";
  try {
    hookContext.result = await model.invokeFunction(context, hookContext.inputs, hookContext.functionCallback);
  } catch (error) {
    hookContext.error = error;
  }
  coreContext.state = "postInvocationHooks";
  await callHooks(app, "postInvocation", hookContext);
  if (hookContext.error !== undefined) throw hookContext.error;
  return (await model.getResponse(context, hookContext.result)).returnValue;
}

/** Calls the app's hooks of this kind, one after the other. */
export async function callHooks(app: LoadedApp, kind: string, context: Record<string, unknown> = hookData()) {
  for (const hook of app.hooks.get(kind) ?? []) await hook(context);
}

function hookData(): Record<string, unknown> {
  return { hookData: {}, appHookData: {} };
}

function childOf(traceparent: string | undefined): string {
  const traceId = traceparent?.split("-")[1] ?? randomBytes(16).toString("hex");
  return `00-${traceId}-${randomBytes(8).toString("hex")}-01`;
}
