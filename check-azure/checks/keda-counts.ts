import { z } from "zod";
import { type Check, disproven, proven } from "../check.ts";
import { SOURCES } from "../check-values.ts";
import { DISPATCHER, kedaVersion } from "../cluster.ts";
import { CommandError } from "../command.ts";

const scaledObject = z.object({
  status: z.object({
    externalMetricNames: z.array(z.string()),
    health: z.record(z.string(), z.object({ status: z.string() })).optional(),
  }),
});

/** Where the cluster asks KEDA for a count. */
const METRICS = "/apis/external.metrics.k8s.io/v1beta1/namespaces/dispatcher";
const OF_DISPATCHER = "scaledobject.keda.sh%2Fname%3Ddispatcher";

export const kedaCounts: Check = {
  question: "May KEDA count messages with the role Data Owner on a queue, and on a subscription, and on nothing above?",
  deed: "Read from KEDA the count of each source, for which it asks the bus anew.",
  minutes: 1,
  async run(azure) {
    const found = await azure.kubectl("get", "scaledobject", "dispatcher", ...DISPATCHER, "--output", "json");
    const { externalMetricNames, health = {} } = scaledObject.parse(JSON.parse(found)).status;
    const counted = externalMetricNames.filter((name) => name.includes("servicebus"));
    const version = await kedaVersion(azure);
    const failing = counted.filter((name) => health[name] !== undefined && health[name].status !== "Happy");
    const sources = Object.keys(SOURCES).length;
    if (counted.length < sources || failing.length > 0)
      return disproven(
        `KEDA ${version} counts ${counted.length - failing.length} of ${sources} sources. Failing: ${failing.join(", ")}`,
      );
    try {
      for (const name of counted)
        await azure.kubectl("get", "--raw", `${METRICS}/${name}?labelSelector=${OF_DISPATCHER}`);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      return disproven(`KEDA ${version} could not count. ${error.lastLines}`);
    }
    return proven(`KEDA ${version} counted all ${sources} sources, a subscription among them.`);
  },
};
