import type { Dependencies } from "../../shared/dependencies.ts";
import type { LinkAnswer } from "../../shared/ports/host-link.ts";
import { answerOf } from "./fake-broker.ts";

/** The ports by which a replica reaches everything outside of itself. */
export type Ports = Pick<Dependencies, "table" | "instanceTable" | "broker" | "hostLink" | "cluster" | "payloads">;

/** The ports with `call` around each of their calls, which have names such as `table.insert`. */
export function watchPorts(
  { table, instanceTable, broker, hostLink, cluster, payloads }: Ports,
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
  /** A link never rejects: a call that fails is in doubt. A host without one is not asked at all. */
  const settled = async (name: string, settle: () => Promise<LinkAnswer>): Promise<LinkAnswer> => {
    if ((await hostLink.problem()) !== undefined) return settle();
    let answer: LinkAnswer | undefined;
    const failure = await answerOf(() =>
      call(`hostLink.${name}`, async () => {
        answer = await settle();
      }),
    );
    return failure.kind === "done" && answer ? answer : failure;
  };
  return {
    table: watched("table", table),
    instanceTable: watched("table", instanceTable),
    broker: watched("broker", broker),
    hostLink: {
      ...hostLink,
      defer: (...given) => settled("defer", () => hostLink.defer(...given)),
      complete: (...given) => settled("complete", () => hostLink.complete(...given)),
      deadLetter: (...given) => settled("deadLetter", () => hostLink.deadLetter(...given)),
    },
    cluster: watched("cluster", cluster),
    payloads: watched("payloads", payloads),
  };
}
