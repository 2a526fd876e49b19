import { type Check, disproven, proven } from "../check.ts";
import { inPod } from "../cluster.ts";
import { CommandError } from "../command.ts";

export const preflight: Check = {
  question: "Are the app's roles on single queues, subscriptions and the storage account enough?",
  deed: "Ran the preflight in a pod of the Dispatcher.",
  minutes: 1,
  async run(azure) {
    try {
      return proven(await inPod(azure, "deployment/dispatcher", "node", "dist/cli/main.js", "preflight"));
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      return disproven(error.lastLines);
    }
  },
};
