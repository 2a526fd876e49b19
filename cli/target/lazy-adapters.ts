import type { Adapters } from "../../shared/make-dependencies.ts";
import type { MessageBroker } from "../../shared/ports/message-broker.ts";

/**
 * Makes adapters that load their SDK once something is asked of them, because loading all of them takes longer than most
 * looks. Each method answers with a promise, so that those of a port that answer otherwise (the watches, and what only
 * the app asks of its host) can't be asked.
 */
export function lazyAdapters(): { readonly adapters: Adapters; readonly close: () => Promise<void> } {
  let broker: Promise<MessageBroker> | undefined;
  return {
    adapters: {
      broker: (connection) =>
        lazily(
          () =>
            (broker ??= import("../../shared/adapters/service-bus/broker.ts").then(({ makeServiceBusBroker }) =>
              makeServiceBusBroker(connection),
            )),
        ),
      hostLink: () => lazily(() => Promise.reject(new Error("a command has no host"))),
      table: (options) =>
        lazily(async () => (await import("../../shared/adapters/tables/run-table.ts")).makeAzureTable(options)),
      payloads: (options) =>
        lazily(async () =>
          (await import("../../shared/adapters/blobs/payload-store.ts")).makeBlobPayloadStore(options),
        ),
      cluster: (options) =>
        lazily(async () => (await import("../../shared/adapters/kubernetes/jobs.ts")).makeKubernetesJobs(options)),
    },
    close: async () => (await broker)?.close(),
  };
}

/** Stands in for a port, which is loaded when the first method of it is called. */
function lazily<Port extends object>(load: () => Promise<Port>): Port {
  let loading: Promise<Port> | undefined;
  const later =
    (name: string | symbol) =>
    async (...args: unknown[]) => {
      const port = await (loading ??= load());
      const method: unknown = Reflect.get(port, name);
      if (typeof method !== "function") throw new Error(`a port has no method ${String(name)}`);
      const answer: unknown = await Reflect.apply(method, port, args);
      return answer;
    };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- It has the methods of the port that it loads.
  return new Proxy({}, { get: (_, name) => later(name) }) as Port;
}
