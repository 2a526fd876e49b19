import { holdingCondition } from "../controller/job-conditions.ts";
import type { Config, Event, Job, Pod, StoredObject } from "../store/wire.ts";
import { displayedPodStatus, displayedReadiness } from "./pod-display.ts";

interface Column {
  readonly name: string;
  readonly type: "string" | "integer";
  readonly format: string;
  readonly description: string;
  readonly priority: number;
}

/** How one resource is printed as a table, as kubectl shows it. */
export interface Printer<T extends StoredObject> {
  readonly columns: readonly Column[];
  cells(object: T): (string | number)[];
}

export type IncludeObject = "None" | "Metadata" | "Object";

/** A `meta.k8s.io/v1` Table of these objects. `withColumns` is false for all but the first event of a watch. */
export function toTable<T extends StoredObject>(
  printer: Printer<T>,
  objects: readonly T[],
  include: IncludeObject,
  listMeta: object,
  withColumns = true,
): object {
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: listMeta,
    columnDefinitions: withColumns ? printer.columns : null,
    rows: objects.map((object) => ({ cells: printer.cells(object), object: rowObject(object, include) })),
  };
}

function rowObject(object: StoredObject, include: IncludeObject): object | null {
  switch (include) {
    case "None":
      return null;
    case "Metadata":
      return metadataAlone(object);
    case "Object":
      return object;
    default:
      return include satisfies never;
  }
}

/** The part of an object for a client that only asks for its metadata. */
export function metadataAlone({ metadata }: StoredObject): object {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata };
}

function column(name: string, options: { format?: string; priority?: number; type?: "integer" } = {}): Column {
  const { format = "", priority = 0, type = "string" } = options;
  return { name, type, format, description: name, priority };
}

export const jobPrinter: Printer<Job> = {
  columns: [
    column("Name", { format: "name" }),
    column("Status"),
    column("Completions"),
    column("Duration"),
    column("Age"),
    column("Containers", { priority: 1 }),
    column("Images", { priority: 1 }),
    column("Selector", { priority: 1 }),
  ],
  cells(job) {
    const { startTime, completionTime, succeeded = 0 } = job.status ?? {};
    const containers = job.spec?.template.spec?.containers ?? [];
    const end = completionTime === undefined ? Date.now() : Date.parse(completionTime);
    return [
      job.metadata.name,
      displayedJobStatus(job),
      `${succeeded}/${job.spec?.completions ?? 1}`,
      startTime === undefined ? "" : humanDuration(end - Date.parse(startTime)),
      age(job),
      containers.map(({ name }) => name).join(","),
      containers.map(({ image }) => image).join(","),
      Object.entries(job.spec?.selector?.matchLabels ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .join(","),
    ];
  },
};

function displayedJobStatus(job: Job): string {
  if (holdingCondition(job, "Complete") !== undefined) return "Complete";
  if (holdingCondition(job, "Failed") !== undefined) return "Failed";
  if (job.metadata.deletionTimestamp !== undefined) return "Terminating";
  for (const type of ["Suspended", "FailureTarget", "SuccessCriteriaMet"] as const) {
    if (holdingCondition(job, type) !== undefined) return type;
  }
  return "Running";
}

export const podPrinter: Printer<Pod> = {
  columns: [
    column("Name", { format: "name" }),
    column("Ready"),
    column("Status"),
    column("Restarts"),
    column("Age"),
    column("IP", { priority: 1 }),
    column("Node", { priority: 1 }),
    column("Nominated Node", { priority: 1 }),
    column("Readiness Gates", { priority: 1 }),
  ],
  cells(pod) {
    const restarts = (pod.status?.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0);
    return [
      pod.metadata.name,
      displayedReadiness(pod),
      displayedPodStatus(pod),
      String(restarts),
      age(pod),
      pod.status?.podIP ?? "<none>",
      pod.spec?.nodeName ?? "<none>",
      "<none>",
      "<none>",
    ];
  },
};

export const eventPrinter: Printer<Event> = {
  columns: [
    column("Last Seen"),
    column("Type"),
    column("Reason"),
    column("Object"),
    column("Subobject", { priority: 1 }),
    column("Source", { priority: 1 }),
    column("Message"),
    column("First Seen", { priority: 1 }),
    column("Count", { priority: 1, type: "integer" }),
    column("Name", { priority: 1, format: "name" }),
  ],
  cells(event) {
    const since = (time: string | undefined): string =>
      humanDuration(Date.now() - Date.parse(time ?? event.metadata.creationTimestamp));
    return [
      since(event.lastTimestamp),
      event.type ?? "",
      event.reason ?? "",
      `${(event.involvedObject.kind ?? "").toLowerCase()}/${event.involvedObject.name ?? ""}`,
      "",
      event.source?.component ?? "",
      event.message ?? "",
      since(event.firstTimestamp),
      event.count ?? 1,
      event.metadata.name,
    ];
  },
};

export const configPrinter: Printer<Config> = {
  columns: [column("Name", { format: "name" }), column("Data"), column("Age")],
  cells: (config) => [
    config.metadata.name,
    String(Object.keys({ ...config.data, ...config.binaryData }).length),
    age(config),
  ],
};

function age(object: StoredObject): string {
  return humanDuration(Date.now() - Date.parse(object.metadata.creationTimestamp));
}

/** A duration, as short as kubectl writes it: `45s`, `3m12s`, `2h5m`, `3d4h`. */
function humanDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (seconds < 120) return `${seconds}s`;
  if (minutes < 10) return two(minutes, "m", seconds % 60, "s");
  if (hours < 3) return `${minutes}m`;
  if (hours < 8) return two(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  if (days < 8) return two(days, "d", hours % 24, "h");
  return `${days}d`;
}

function two(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`;
}
