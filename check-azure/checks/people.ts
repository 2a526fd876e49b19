import type { Azure } from "../azure.ts";
import { type Check, disproven, proven } from "../check.ts";
import { SOURCES } from "../check-values.ts";
import { CommandError } from "../command.ts";
import { outputOf } from "../outputs.ts";

export const people: Check = {
  question: "Are the roles of an operator enough to read rows, logs of attempts, and dead letters?",
  deed: "Named this run's principal in operatorPrincipalIds, and read all three as it.",
  minutes: 1,
  async run(azure) {
    const account = await outputOf(azure, "storageAccountName");
    const table = await outputOf(azure, "settingsTable");
    const rows = ["entity", "query", "--table-name", table, "--num-results", "1"];
    const logs = ["blob", "list", "--container-name", "dispatcher-logs", "--num-results", "1"];
    const refused: string[] = [];
    for (const [what, args] of Object.entries({ rows, logs }))
      refused.push(...(await refusal(azure, what, ["storage", ...args, "--account-name", account])));
    const letters = await azure.bus.peek(SOURCES.codes, { deadLetters: true });
    return refused.length === 0
      ? proven(`Rows and logs were read, and ${letters.length} dead letters.`)
      : disproven(refused.join("\n"));
  },
};

async function refusal({ az }: Azure, what: string, args: readonly string[]): Promise<string[]> {
  try {
    await az(...args, "--auth-mode", "login", "--output", "none");
    return [];
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return [`${what}: ${error.lastLines}`];
  }
}
