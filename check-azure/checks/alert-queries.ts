import { type Check, disproven, notTried, proven } from "../check.ts";
import { CommandError } from "../command.ts";
import { askWorkspace } from "../workspace.ts";

const RULES = ["--resource-type", "Microsoft.Insights/scheduledQueryRules", "--query", "[].id", "--output", "tsv"];
const QUERY = ["--query", "properties.criteria.allOf[0].query", "--output", "tsv"];

export const alertQueries: Check = {
  question: "Does the workspace accept the query of each alert?",
  deed: "Ran the query of each alert on the workspace.",
  minutes: 2,
  async run(azure) {
    const found = await azure.az("resource", "list", "--resource-group", azure.environment.group, ...RULES);
    const rules = found.split("\n").filter(Boolean);
    if (rules.length === 0) return notTried("The resource group has no alerts.");
    const refused: string[] = [];
    for (const id of rules) {
      const query = await azure.az("resource", "show", "--ids", id, ...QUERY);
      try {
        await askWorkspace(azure, query);
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        refused.push(`${id.split("/").at(-1)}: ${error.lastLines}`);
      }
    }
    return refused.length === 0 ? proven(`It ran all ${rules.length} queries.`) : disproven(refused.join("\n"));
  },
};
