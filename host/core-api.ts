import Module from "node:module";
import { pathToFileURL } from "node:url";
import { type OfferedDeliveries, offerDeliveries } from "../shared/adapters/standalone-host/offered-deliveries.ts";
import type { Binding, HookCallback, LogLevel, RegisteredFunction, Rpc } from "./rpc.ts";

/** What the library's programming model offers to a host. It makes one model per invocation. */
interface ProgrammingModel {
  readonly name: string;
  getInvocationModel(coreContext: unknown): InvocationModel;
  getCapabilities(capabilities: Record<string, string>): Promise<Record<string, string>>;
}

/**
 * The library's side of one invocation. It makes the handler's arguments, runs the handler, and turns its result into
 * what the host is sent.
 */
interface InvocationModel {
  getArguments(): Promise<{ context: unknown; inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], handler: RegisteredFunction["callback"]): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<{ returnValue?: Rpc | null }>;
}

/** An app after loading: its functions, by name, the model that invokes them, and what the app finds in this process. */
export interface LoadedApp {
  readonly functions: ReadonlyMap<string, RegisteredFunction>;
  readonly model: ProgrammingModel;
  readonly hooks: ReadonlyMap<string, ReadonlySet<HookCallback>>;
  /** Where the host offers each delivery to the app, while the delivery's function runs. */
  readonly deliveries: OfferedDeliveries;
}

/** Receives a line that the library or the app logs outside of any invocation. */
export type SystemLog = (level: LogLevel, text: string) => void;

interface FunctionMetadata {
  readonly name: string;
  readonly bindings: Readonly<Record<string, Binding>>;
}

/**
 * Loads the built app as the Functions worker does. The library asks for the module `@azure/functions-core`, which
 * exists only inside a host, and registers each function with it. Throws what the app throws while it loads, and an
 * Error if the app registers no function.
 */
export async function loadApp(file: string, log: SystemLog): Promise<LoadedApp> {
  const functions = new Map<string, RegisteredFunction>();
  const hooks = new Map<string, Set<HookCallback>>();
  // The app looks for it while it loads.
  const deliveries = offerDeliveries();
  let model: ProgrammingModel | undefined;

  const core = {
    version: "4.0.0",
    hostVersion: "4.0.0",
    setProgrammingModel: (given: ProgrammingModel) => {
      model = given;
    },
    getProgrammingModel: () => model,
    registerFunction: (metadata: FunctionMetadata, callback: RegisteredFunction["callback"]) => {
      functions.set(metadata.name, { ...metadata, trigger: triggerOf(metadata), callback });
      return new Disposable(() => functions.delete(metadata.name));
    },
    registerHook: (name: string, callback: HookCallback) => {
      const callbacks = hooks.get(name) ?? new Set();
      hooks.set(name, callbacks.add(callback));
      return new Disposable(() => callbacks.delete(callback));
    },
    log: (level: LogLevel, _category: string, text: string) => log(level, text),
    Disposable,
  };

  const restore = standIn("@azure/functions-core", core);
  try {
    await import(pathToFileURL(file).href);
  } finally {
    restore();
  }
  if (!model || functions.size === 0)
    throw new Error(
      `${file} registered no function with @azure/functions. Pass the app's bundle, dist/functions/index.js, as --app`,
    );
  await model.getCapabilities({});
  return { functions, model, hooks, deliveries };
}

function triggerOf(metadata: FunctionMetadata): RegisteredFunction["trigger"] {
  const found = Object.entries(metadata.bindings).find(([, binding]) => /trigger$/i.test(binding.type));
  if (!found)
    throw new Error(
      `function ${metadata.name} has no trigger among its bindings. Register it with a trigger, such as app.http`,
    );
  return { bindingName: found[0], binding: found[1] };
}

/**
 * Makes every `require(name)` return `value`, also in bundled code with a `createRequire` of its own. The Functions
 * worker does it this way too.
 */
function standIn(name: string, value: unknown): () => void {
  // oxlint-disable-next-line typescript/unbound-method -- called with the module that requires
  const original = Module.prototype.require;
  function require(this: Module, id: string): unknown {
    return id === name ? value : original.call(this, id);
  }
  Module.prototype.require = Object.assign(require, original);
  return () => {
    Module.prototype.require = original;
  };
}

class Disposable {
  readonly #onDispose: () => void;

  constructor(onDispose: () => void) {
    this.#onDispose = onDispose;
  }

  dispose(): void {
    this.#onDispose();
  }
}
