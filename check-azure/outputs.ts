import type { Azure } from "./azure.ts";

/** Reads an output of infra/main.bicep. */
export function outputOf({ az, environment }: Pick<Azure, "az" | "environment">, name: string): Promise<string> {
  const query = ["--query", `properties.outputs.${name}.value`, "--output", "tsv"];
  return az("deployment", "sub", "show", "--name", environment.deployment, ...query);
}
