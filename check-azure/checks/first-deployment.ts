import { type Check, disproven, proven } from "../check.ts";
import { CommandError } from "../command.ts";

/** deploy.sh prints this if it found KEDA's operator without its identity. */
const RESTARTED = "Restarting KEDA's operator";

export const firstDeployment: Check = {
  question: "Does one command make everything, from an empty resource group to ready pods on the Azure Functions host?",
  deed: "Ran infra/deploy.sh with the parameters of dev.",
  minutes: 25,
  async run(azure) {
    const startedAt = azure.now();
    try {
      const said = await azure.deploy();
      const restart = said.includes(RESTARTED) ? "had to restart" : "did not have to restart";
      return proven(
        `Everything was there after ${minutesSince(startedAt, azure.now())} min. The script ${restart} KEDA's operator for its identity.`,
      );
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      return { ...disproven(error.message), endsAll: true };
    }
  },
};

function minutesSince(startedAt: number, now: number): number {
  return Math.round((now - startedAt) / 60_000);
}
