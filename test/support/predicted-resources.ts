import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ROOT } from "./run-program.ts";

const resource = z.looseObject({
  id: z.string().optional(),
  type: z.string(),
  name: z.string(),
  scope: z.string().optional(),
  properties: z.looseObject({}).optional(),
});
const prediction = z.object({
  predictedResources: z.array(resource),
  diagnostics: z.array(z.unknown()),
  outputs: z.record(z.string(), z.unknown()),
});

export type Prediction = z.infer<typeof prediction>;
export type PredictedResource = z.infer<typeof resource>;

/**
 * The resources that `bicep snapshot` predicted. For `dev` and `prod` they are in the checked-in file, which a test
 * compares with the templates.
 */
export function readPrediction(environment: string, directory = join(ROOT, "infra")): Prediction {
  return prediction.parse(JSON.parse(readFileSync(join(directory, `${environment}.snapshot.json`), "utf8")));
}

/** The resources of a type, such as `Microsoft.ServiceBus/namespaces/queues`. */
export function ofType({ predictedResources }: Prediction, type: string): PredictedResource[] {
  return predictedResources.filter((one) => one.type === type);
}
