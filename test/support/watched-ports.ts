import type { Dependencies } from "../../shared/dependencies.ts";

/** All that a Dispatcher reaches outside of itself. */
export type Ports = Pick<Dependencies, "table" | "instanceTable" | "broker" | "cluster" | "payloads">;

/** The ports with `call` around each of their calls, which are named `table.insert`. */
export function watchPorts(
  { table, instanceTable, broker, cluster, payloads }: Ports,
  call: (name: string, method: () => Promise<unknown>) => Promise<unknown>,
): Ports {
  const watched = <Port extends object>(portName: string, port: Port): Port =>
    new Proxy(port, {
      get(target, name) {
        const method: unknown = Reflect.get(target, name, target);
        if (typeof method !== "function") return method;
        return (...args: unknown[]) =>
          call(`${portName}.${String(name)}`, async () => Reflect.apply(method, target, args) as unknown);
      },
    });
  return {
    table: watched("table", table),
    instanceTable: watched("table", instanceTable),
    broker: watched("broker", broker),
    cluster: watched("cluster", cluster),
    payloads: watched("payloads", payloads),
  };
}
