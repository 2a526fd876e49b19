import { type Source, sourceName } from "../../shared/run/source.ts";
import type { Stack } from "../stack/start-stack.ts";

/** The names of the queues and topics that take messages, each once. */
export function entitiesOf(sources: readonly Source[]): string[] {
  return [...new Set(sources.map((source) => ("queue" in source ? source.queue : source.topic)))];
}

/** Says where everything is, how to send a message, and what is kept where. */
export function introduction(
  stack: Stack,
  url: string,
  { modulesDir, stateDir }: { readonly modulesDir: string; readonly stateDir: string },
): string {
  const { settings } = stack;
  const pid = (name: string) => {
    const part = stack.parts.find((one) => one.name === name);
    return part ? `, process ${part.pid}` : "";
  };
  const bus =
    /sb:\/\/[^;/]+/.exec(settings["ServiceBus"] ?? "")?.[0] ?? settings["ServiceBus__fullyQualifiedNamespace"];
  const storage = /TableEndpoint=([^;]+)/.exec(settings["AzureWebJobsStorage"] ?? "")?.[1];
  const isLocal = (name: string) => stack.parts.some((one) => one.name === name);
  const asSet = "as the settings say";
  return `
app       ${url}/api/health/ready  (the Dispatcher${pid("app")})
bus       ${bus ?? asSet}${isLocal("broker") ? `  (stands in for Service Bus${pid("broker")})` : ""}
storage   ${storage ?? asSet}${isLocal("storage") ? `  (Azurite${pid("storage")})` : ""}
cluster   kubectl --kubeconfig ${settings["KUBECONFIG"] ?? ""} -n ${settings["JOB_NAMESPACE"] ?? ""} get jobs${isLocal("cluster") ? `  (runs Jobs as processes of this machine${pid("cluster")})` : ""}
sources   ${[...new Set(stack.sources.map(sourceName))].join(", ")}
modules   ${modulesDir}  (a change is loaded while Jobs go on)
kept in   ${stateDir}  (--fresh forgets it)
page      ${url}/api/ui/  (to look only; to act: npx dispatcher ui --act, in another terminal)

Send a message from another terminal, and watch it here:
  echo '{"name":"Ada"}' | npm run --silent send -- --source ${example(stack.sources)} -
Ctrl-C stops everything.
`;
}

/** Says which module files are in force now, and which process the Dispatcher is, because it was started anew. */
export function loadedText(changed: readonly string[], pid: number): string {
  return `Loaded the changed module files: ${changed.join(", ")}. Jobs went on meanwhile. The Dispatcher is process ${pid} now.`;
}

/** The entity of the sample module that takes `{"name":"Ada"}`, if it is there. */
function example(sources: readonly Source[]): string {
  const entities = entitiesOf(sources);
  return entities.find((name) => name === "greetings") ?? entities[0] ?? "NAME";
}
