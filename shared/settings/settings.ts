/** One setting of the app. The tests compare them with the docs, the chart and Bicep. */
export interface Setting {
  readonly name: string;
  /** Undefined if the setting has no default. */
  readonly default?: string;
  readonly description: string;
  /** Its value never appears in an error or a log. */
  readonly secret?: true;
}

/** Every setting that the app itself reads. The Functions host and `DefaultAzureCredential` read others. */
export const SETTINGS = [
  {
    name: "ServiceBus",
    secret: true,
    description: "Connection string of the Service Bus namespace",
  },
  {
    name: "ServiceBus__fullyQualifiedNamespace",
    description: "Instead of `ServiceBus`: the namespace's host name, used with the app's own identity",
  },
  {
    name: "AzureFunctionsJobHost__extensions__serviceBus__transportType",
    description: "`AmqpWebSockets`: the bus is reached on port 443 and not on 5671. The Functions host obeys it too",
  },
  {
    name: "HTTPS_PROXY",
    secret: true,
    description:
      "URL of a proxy for all that Azure is asked, the bus included if it is reached over WebSockets. The Functions host obeys it too",
  },
  {
    name: "NO_PROXY",
    description:
      "Hosts that are reached without that proxy, separated by commas: names, or domains that begin with a dot",
  },
  {
    name: "AzureWebJobsStorage",
    secret: true,
    description:
      "Connection string of the storage account: rows, large bodies, logs, and what the Functions host keeps there",
  },
  {
    name: "AzureWebJobsStorage__accountName",
    description: "Instead of `AzureWebJobsStorage`: the account's name, used with the app's own identity",
  },
  {
    name: "AzureWebJobsStorage__blobServiceUri",
    description:
      "For other clouds and own domains, alone or beside the account's name: the URL of its blobs. Set it together with the next one",
  },
  {
    name: "AzureWebJobsStorage__tableServiceUri",
    description: "The URL of its tables. Set it together with the one before",
  },
  {
    name: "DISPATCHER_INSTANCE",
    default: "dispatcher",
    description:
      "The name of this instance, which keeps its rows, Jobs and messages apart from those of others. Never change it while runs are open",
  },
  {
    name: "DISPATCHER_TABLE",
    default: "DispatcherRuns",
    description: "The table of the runs; made if it is missing",
  },
  {
    name: "JOB_NAMESPACE",
    default: "default",
    description: "The namespace in which the Jobs run; it has to exist",
  },
  {
    name: "PAYLOADS",
    default: "inline",
    description:
      "How Jobs get the bodies of their messages. `inline`: in the Job, or by a signed URL. `identity`: all from the blob store, each Job with its own identity",
  },
  {
    name: "KUBECONFIG",
    description: "Path of a kubeconfig file. Without it: the pod's own service account, or else `~/.kube/config`",
  },
  {
    name: "MODULES_DIR",
    default: "modules",
    description: "The directory of the module files",
  },
  {
    name: "RECONCILE_SCHEDULE",
    default: "*/10 * * * * *",
    description:
      "When the timer looks at all open runs, as NCRONTAB with seconds. `/ready` and the alerts expect it every two minutes or more often",
  },
  {
    name: "LOCK_DURATION",
    default: "5m",
    description:
      "The LockDuration of the queues and subscriptions: how long a message stays locked after its receiver died",
  },
  {
    name: "JOB_RETENTION",
    default: "1h",
    description: "How long a finished Job stays in the cluster after its end",
  },
  {
    name: "HISTORY_RETENTION",
    default: "30d",
    description: "How long the row of a closed run is kept",
  },
  {
    name: "KEDA_VERSION",
    description:
      "The version of KEDA that the chart was told, if the app scales to zero. Preflight compares it with the cluster",
  },
  {
    name: "PAGE_AT",
    description:
      "Serves the page and its API. `local`: to look only, on this machine and over a port-forward. The origin of a proxy: also to people who log in there, and whom the next three are about",
  },
  {
    name: "PAGE_ISSUER",
    description: "Whose logins count: the URL of an issuer of OpenID Connect",
  },
  {
    name: "PAGE_AUDIENCE",
    description: "The client id of the application that people log in to",
  },
  {
    name: "PAGE_GROUPS",
    description:
      "Which groups may do what: `ROLE=GROUP`, separated by commas. A role is `viewer`, `operator` or `admin`",
  },
] as const satisfies readonly Setting[];

export type SettingName = (typeof SETTINGS)[number]["name"];
