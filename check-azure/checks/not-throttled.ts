import { z } from "zod";
import type { Azure } from "../azure.ts";
import { type Check, disproven, proven } from "../check.ts";

const metrics = z.object({
  value: z.tuple([
    z.object({
      timeseries: z.array(z.object({ data: z.array(z.object({ total: z.number().nullish() })) })),
    }),
  ]),
});

export const notThrottled: Check = {
  question: "Does the bus take all this without throttling it?",
  deed: "Asked for the metric of throttled requests, after the soak.",
  minutes: 1,
  async run(azure) {
    const count = await throttled(azure);
    const what = `The bus throttled ${count} requests.`;
    return count === 0 ? proven(what) : disproven(what);
  },
};

async function throttled({ az, environment }: Azure): Promise<number> {
  const type = ["--resource-type", "Microsoft.ServiceBus/namespaces", "--query", "[0].id", "--output", "tsv"];
  const bus = await az("resource", "list", "--resource-group", environment.group, ...type);
  const sums = ["--metrics", "ThrottledRequests", "--aggregation", "Total", "--offset", "4h", "--interval", "PT1H"];
  const found = metrics.parse(JSON.parse(await az("monitor", "metrics", "list", "--resource", bus, ...sums)));
  const points = found.value[0].timeseries.flatMap(({ data }) => data);
  return points.reduce((sum, { total }) => sum + (total ?? 0), 0);
}
