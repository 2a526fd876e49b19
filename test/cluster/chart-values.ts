import type { Values } from "./chart.ts";

/** The least that a user writes, without Entra ID. Everything else is the chart's default. */
export const CONNECTED = {
  image: { repository: "acme.azurecr.io/dispatcher" },
  serviceBus: { connectionStringSecret: { name: "connections", key: "service-bus" } },
  storage: { connectionStringSecret: { name: "connections", key: "storage" } },
  modules: [{ name: "work", source: { queue: "work" }, worker: { image: "busybox:1.36" } }],
};

/** What a user lays over the rest, so that the app scales to zero. */
export const SLEEPY: readonly Values[] = ["values.scale-to-zero.yaml", { scaling: { kedaVersion: "2.19" } }];

/** The chart's values for each way to install it. */
export const VALUES: readonly { readonly name: string; readonly values: readonly Values[] }[] = [
  { name: "the defaults, with connection strings", values: [CONNECTED] },
  { name: "production", values: ["values.production.yaml"] },
  { name: "production, on the cluster of infra/", values: ["../infra/values.aks.yaml", "values.production.yaml"] },
  { name: "production, scaled to zero", values: ["values.production.yaml", ...SLEEPY] },
  { name: "connection strings, scaled to zero", values: [CONNECTED, ...SLEEPY] },
  { name: "production, with its page behind a login", values: ["values.production.yaml", "values.page.yaml"] },
];
