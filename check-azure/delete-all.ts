import { errorText } from "../shared/errors.ts";
import type { Azure } from "./azure.ts";
import type { Environment } from "./environment.ts";

/** What is left after the deletion, each with the command that deletes it. */
export interface Leftover {
  readonly what: string;
  readonly why: string;
  readonly command: string;
}

type Az = Azure["az"];

/**
 * Deletes all that the run created in Azure, and looks whether it is gone. Resolves to what is left; never rejects, so
 * that one thing that can't be deleted keeps no other.
 */
export async function deleteAll(
  az: Az,
  { group, deployment }: Environment,
  say: (text: string) => void,
): Promise<Leftover[]> {
  const leftovers: Leftover[] = [];
  const attempt = async (what: string, command: readonly string[], isGone: () => Promise<boolean>): Promise<void> => {
    const byHand = `az ${command.join(" ")}`;
    try {
      if (await isGone()) return;
      say(`Deleting ${what}`);
      await az(...command);
      if (!(await isGone()))
        leftovers.push({ what, why: "it is still there, though az reported no error", command: byHand });
    } catch (error) {
      leftovers.push({ what, why: errorText(error), command: byHand });
    }
  };

  // A deployment goes on after the program that started it has ended, and would create what was just deleted. Most
  // deployments are over, and can't be cancelled.
  await az("deployment", "sub", "cancel", "--name", deployment).catch(() => {});
  await attempt(
    `resource group ${group}`,
    ["group", "delete", "--name", group, "--yes"],
    async () => (await az("group", "exists", "--name", group)) === "false",
  );
  // AKS deletes the nodes' group with the cluster. A deletion that failed half-way may leave it.
  const ofNodes = `[?starts_with(name, 'MC_${group}_')].name`;
  for (const nodes of await groupsLike(az, ofNodes))
    await attempt(
      `resource group ${nodes} of the nodes`,
      ["group", "delete", "--name", nodes, "--yes"],
      async () => (await az("group", "exists", "--name", nodes)) === "false",
    );
  await attempt(
    `the record of the deployment ${deployment}`,
    ["deployment", "sub", "delete", "--name", deployment],
    async () =>
      (await az("deployment", "sub", "list", "--query", `[?name=='${deployment}'].name`, "--output", "tsv")) === "",
  );
  return leftovers;
}

async function groupsLike(az: Az, query: string): Promise<string[]> {
  const found = await az("group", "list", "--query", query, "--output", "tsv").catch(() => "");
  return found.split("\n").filter(Boolean);
}
