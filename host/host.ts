import type { LoadedApp } from "./core-api.ts";
import type { HostJson } from "./host-json.ts";
import type { HostLog } from "./host-log.ts";
import { LOOPBACK, serve } from "./http-listener.ts";
import { callHooks, makeInvoke } from "./invoke.ts";
import type { RegisteredFunction } from "./rpc.ts";
import { type Connections, connect } from "./service-bus-connections.ts";
import { type Entity, type Listener, listen } from "./service-bus-listener.ts";
import { resolveSetting, type Settings } from "./settings.ts";
import { tick } from "./timer-listener.ts";

export interface HostOptions {
  readonly app: LoadedApp;
  readonly hostJson: HostJson;
  /** The app settings. `%NAME%` in a binding and the names of connections are looked up here. */
  readonly settings: Settings;
  /** The port of the HTTP functions. 0 takes a free one. */
  readonly port: number;
  /** The address on which the HTTP functions are served. By default only this machine reaches it. */
  readonly address?: string;
  readonly functionKey?: string;
  readonly log: HostLog;
  /** For tests. How many deliveries a receiver takes after one that is not settled on it. */
  readonly deliveriesAfterUnsettled?: number;
}

/** A host whose triggers are all running. */
export interface Host {
  readonly port: number;
  readonly functions: readonly string[];
  /** Takes no new work, lets running functions end for up to `graceMs`, and closes the connections. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Starts every trigger of the app. Rejects, and leaves nothing running, if a trigger's setting is missing or the port
 * is taken.
 */
export async function startHost(options: HostOptions): Promise<Host> {
  const { app, hostJson, log } = options;
  const invoke = makeInvoke(app, log, hostJson.functionTimeout);
  const connections = connect(options.settings);
  const all = [...app.functions.values()];
  const of = (type: string) => all.filter((fn) => fn.trigger.binding.type.toLowerCase() === type.toLowerCase());
  const listeners: Listener[] = [];

  async function stop(graceMs: number): Promise<void> {
    await within(graceMs, Promise.allSettled(listeners.map((listener) => listener.stop())));
    await within(2_000, callHooks(app, "appTerminate"));
    await within(2_000, connections.close());
  }

  try {
    await callHooks(app, "appStart");
    const http = await serve({
      functions: of("httpTrigger"),
      routePrefix: hostJson.extensions.http.routePrefix,
      port: options.port,
      address: options.address ?? LOOPBACK,
      ...(options.functionKey === undefined ? {} : { functionKey: options.functionKey }),
      invoke,
      log,
    });
    listeners.push(http);
    for (const fn of of("timerTrigger")) {
      const schedule = resolveSetting(options.settings, fn.trigger.binding["schedule"], `${fn.name}.schedule`);
      listeners.push(tick(fn, schedule, invoke, log));
    }
    for (const fn of of("serviceBusTrigger")) listeners.push(await startListening(options, connections, fn, invoke));
    warnOfOthers(all, log);
    return { port: http.port, functions: all.map(({ name }) => name), stop };
  } catch (error) {
    await stop(0);
    throw error;
  }
}

async function startListening(
  options: HostOptions,
  connections: Connections,
  fn: RegisteredFunction,
  invoke: ReturnType<typeof makeInvoke>,
): Promise<Listener> {
  const { binding } = fn.trigger;
  const setting = (name: string) => resolveSetting(options.settings, binding[name], `${fn.name}.${name}`);
  const entity: Entity =
    binding["queueName"] === undefined
      ? { topic: setting("topicName"), subscription: setting("subscriptionName") }
      : { queue: setting("queueName") };
  return listen({
    client: connections.client(binding["connection"] === undefined ? "ServiceBus" : setting("connection")),
    fn,
    entity,
    settings: options.hostJson.extensions.serviceBus,
    invoke,
    log: options.log,
    deliveries: options.app.deliveries,
    ...(options.deliveriesAfterUnsettled === undefined
      ? {}
      : { deliveriesAfterUnsettled: options.deliveriesAfterUnsettled }),
  });
}

function warnOfOthers(functions: readonly RegisteredFunction[], log: HostLog): void {
  const known = new Set(["httptrigger", "timertrigger", "servicebustrigger"]);
  for (const { name, trigger } of functions) {
    if (!known.has(trigger.binding.type.toLowerCase()))
      log.system("warning", `function ${name} is never run, because this host knows no ${trigger.binding.type}`);
  }
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
