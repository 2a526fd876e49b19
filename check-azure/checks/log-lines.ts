import { type Check, disproven, proven } from "../check.ts";
import { askWorkspace } from "../workspace.ts";

const MINUTES = 15;
/** The line of a tick, from whichever way into the workspace it took. */
const TICKS = `union isfuzzy=true (AppTraces | project Text = Message), (ContainerLogV2 | project Text = tostring(LogMessage))
| where Text has "reconciled" | summarize count()`;

export const logLines: Check = {
  question: "Do the app's lines reach the workspace that the alerts read?",
  deed: "Asked the workspace for lines of ticks.",
  minutes: 5,
  async run(azure) {
    let count = 0;
    const isThere = await azure.until(async () => {
      count = Number((await askWorkspace(azure, TICKS)) ?? 0);
      return count > 0;
    }, MINUTES);
    return isThere
      ? proven(`The workspace had ${count} lines of ticks.`)
      : disproven(`It had none after ${MINUTES} minutes.`);
  },
};
