import { z } from "zod";
import type { Connections } from "./servers.ts";

/** Reads how to reach the servers, as the bench tells a program that it starts. Throws if it was told wrongly. */
export function readConnections(): Connections {
  return z
    .object({
      serviceBus: z.string(),
      storage: z.string(),
      kubeconfig: z.string(),
      namespace: z.string(),
      modulesDir: z.string(),
      tableName: z.string(),
      queues: z.array(z.string()),
      body: z.string(),
    })
    .parse(JSON.parse(process.env["BENCH_CONNECTIONS"] ?? ""));
}
