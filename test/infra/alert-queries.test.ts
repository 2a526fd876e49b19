import { describe, expect, it } from "vitest";
import { valueAt } from "../../shared/plain-data.ts";
import { faultsOf, faultsOfTransformation } from "../support/kusto.ts";
import { ofType, readPrediction } from "../support/predicted-resources.ts";

// Azure takes a wrong query without a word, because the rules skip its check: a new workspace has no tables yet.
describe.each(["dev", "prod"])("the alerts' queries in %s", (environment) => {
  const rules = ofType(readPrediction(environment), "Microsoft.Insights/scheduledQueryRules").map((rule) => ({
    name: rule.name,
    query: String(valueAt(rule, ["properties", "criteria", "allOf", "0", "query"])),
  }));

  it.each(rules)("are understood by Kusto: $name", ({ query }) => {
    expect(faultsOf(query)).toEqual([]);
  });
});

it("the choice of the lines that the workspace keeps is understood by Kusto", () => {
  const [rule] = ofType(readPrediction("prod"), "Microsoft.Insights/dataCollectionRules");
  const query = String(valueAt(rule, ["properties", "dataFlows", "1", "transformKql"]));
  expect(faultsOfTransformation(query, "ContainerLogV2")).toEqual([]);
  expect(faultsOfTransformation(query.replace("LogSource", "Source"), "ContainerLogV2")).not.toEqual([]);
});

describe("Kusto's own language service", () => {
  it.each([
    { fault: "a column that the table does not have", query: 'AppTraces | where Massage has "reconciled"' },
    { fault: "a table that no workspace has", query: "AppTracks | summarize value = count()" },
    { fault: "a function that does not exist", query: "AppTraces | summarize value = maximum(SeverityLevel)" },
    { fault: "a query that breaks off", query: "AppTraces | where Message has" },
  ])("finds $fault", ({ query }) => {
    expect(faultsOf(query)).not.toEqual([]);
  });
});
