import { type Check, disproven, proven } from "../check.ts";
import { SOURCES } from "../check-values.ts";
import { dispatcherPods } from "../cluster.ts";
import { CommandError } from "../command.ts";

export const uninstall: Check = {
  question: "Does an uninstallation leave the messages on the bus?",
  deed: "Ran infra/deploy.sh down while messages waited, and counted them before and after.",
  minutes: 3,
  async run(azure) {
    const before = (await azure.bus.peek(SOURCES.soak)).length;
    try {
      await azure.uninstall();
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      return disproven(`It failed. ${error.message}`);
    }
    const after = (await azure.bus.peek(SOURCES.soak)).length;
    const pods = (await dispatcherPods(azure)).length;
    const what = `Of ${before} messages ${after} were left, and ${pods} pods of the Dispatcher.`;
    return after === before && pods === 0 ? proven(what) : disproven(what);
  },
};
