import { z } from "zod";
import type { Azure } from "./azure.ts";

const answer = z.object({ tables: z.tuple([z.object({ rows: z.array(z.array(z.unknown())) })]) });

/** Runs a query on the workspace of the environment. Resolves to the first cell of its answer. */
export async function askWorkspace({ az, environment }: Azure, query: string): Promise<unknown> {
  const type = ["--resource-type", "Microsoft.OperationalInsights/workspaces"];
  const id = await az(
    "resource",
    "list",
    "--resource-group",
    environment.group,
    ...type,
    "--query",
    "[0].id",
    "--output",
    "tsv",
  );
  const workspace = await az("resource", "show", "--ids", id, "--query", "properties.customerId", "--output", "tsv");
  // `az monitor log-analytics query` is in an extension, which az would have to install first.
  const url = `https://api.loganalytics.io/v1/workspaces/${workspace}/query`;
  const request = ["--method", "post", "--resource", "https://api.loganalytics.io", "--url", url];
  const said = await az("rest", ...request, "--body", JSON.stringify({ query }));
  return answer.parse(JSON.parse(said)).tables[0].rows[0]?.[0];
}
