import { createRequire } from "node:module";

// Kusto's own language service is C# made into JavaScript. It puts its namespaces on the global object.
const require = createRequire(import.meta.url);
// oxlint-disable-next-line import/no-unassigned-import -- It is all that the package offers.
require("@kusto/language-service-next/bridge.min.js");
// oxlint-disable-next-line import/no-unassigned-import -- So is this: it adds to what the first one has made.
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");

interface Symbols {
  readonly TableSymbol: { From(columns: string): { WithName(name: string): unknown } };
  readonly DatabaseSymbol: { readonly ctor: new (name: string, tables: readonly unknown[]) => unknown };
}
interface Diagnostic {
  readonly Severity: string;
  readonly Message: string;
  readonly Start: number;
}

declare global {
  var Kusto: {
    readonly Language: {
      readonly Symbols: Symbols;
      readonly GlobalState: { readonly Default: { WithDatabase(database: unknown): unknown } };
      readonly KustoCode: {
        ParseAndAnalyze(
          query: string,
          globals: unknown,
        ): { GetDiagnostics(): { readonly Count: number; getItem(index: number): Diagnostic } };
      };
    };
  };
}

/**
 * The tables of a Log Analytics workspace that the templates' queries may read, with the columns that Azure documents for
 * them, as far as they are used.
 */
const TABLES: Readonly<Record<string, string>> = {
  AppTraces: "TimeGenerated: datetime, Message: string, SeverityLevel: int, OperationName: string, Properties: dynamic",
  ContainerLogV2:
    "TimeGenerated: datetime, PodNamespace: string, PodName: string, ContainerName: string, LogMessage: dynamic, LogSource: string, LogLevel: string",
  KubePodInventory:
    "TimeGenerated: datetime, Namespace: string, Name: string, PodUid: string, ContainerName: string, ContainerRestartCount: int, PodRestartCount: int",
  KubeEvents:
    "TimeGenerated: datetime, Namespace: string, Name: string, ObjectKind: string, Reason: string, Message: string, KubeEventType: string",
  AzureMetrics:
    "TimeGenerated: datetime, ResourceId: string, ResourceProvider: string, MetricName: string, Total: real, Maximum: real",
};

/** Says what Kusto finds wrong with a query on these tables: nothing, or a line for each fault. */
export function faultsOf(query: string, tables: Readonly<Record<string, string>> = TABLES): string[] {
  const { Symbols, GlobalState, KustoCode } = Kusto.Language;
  const symbols = Object.entries(tables).map(([name, columns]) => Symbols.TableSymbol.From(columns).WithName(name));
  const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("workspace", symbols));
  const found = KustoCode.ParseAndAnalyze(query, globals).GetDiagnostics();
  return Array.from({ length: found.Count }, (_, index) => found.getItem(index)).map(
    ({ Severity, Message, Start }) => `${Severity} at ${Start}: ${Message}`,
  );
}

/** The faults of a transformation, which reads one table by the name `source`. */
export function faultsOfTransformation(query: string, table: string): string[] {
  return faultsOf(query, { source: TABLES[table] ?? "" });
}
