import type { Dependencies } from "../../shared/dependencies.ts";

/** The ports by which a replica reaches everything outside of itself. */
export type Ports = Pick<Dependencies, "table" | "instanceTable" | "broker" | "cluster" | "payloads">;

/** The ports with `call` around each of their calls, which have names such as `table.insert`. */
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
