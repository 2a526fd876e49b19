/**
 * What the API server did for its clients, by verb and resource as its own metrics name them, such as `GET pods/log`.
 */
export type ApiServerUse = ReadonlyMap<string, Use>;

interface Use {
  readonly requests: number;
  /** The bytes of the answers. The server counts them only for reads. */
  readonly bytes: number;
  /** The time from each request to the end of its answer, added up. */
  readonly ms: number;
}

const NONE: Use = { requests: 0, bytes: 0, ms: 0 };

/** The metrics that are read, with what each counts. */
const METRICS = {
  apiserver_request_total: "requests",
  apiserver_response_sizes_sum: "bytes",
  apiserver_request_duration_seconds_sum: "ms",
} as const satisfies Record<string, keyof Use>;

/** The requests that the Dispatcher makes. Other clients use other verbs, such as `PUT jobs/status` or `POST pods`. */
const ASKED = ["POST jobs", "PATCH jobs", "GET jobs", "LIST jobs", "LIST pods", "GET pods/log", "LIST events"];

/** Reads what the API server says at `/metrics`, which counts from its start. */
export function readUse(metrics: string): ApiServerUse {
  const use = new Map<string, { -readonly [name in keyof Use]: number }>();
  for (const [, name = "", labels = "", value = ""] of metrics.matchAll(/^(\w+)\{(.*)\} (\S+)$/gm)) {
    if (!isKey(name, METRICS)) continue;
    const asked = nameOf(labels);
    if (!ASKED.includes(asked)) continue;
    const sum = use.get(asked) ?? { ...NONE };
    sum[METRICS[name]] += Number(value) * (METRICS[name] === "ms" ? 1000 : 1);
    use.set(asked, sum);
  }
  return use;
}

/** Subtracts `times` times the other use, such as an earlier reading. */
export function less(use: ApiServerUse, other: ApiServerUse, times = 1): ApiServerUse {
  return mapped(use, (all, asked) => {
    const { requests, bytes, ms } = other.get(asked) ?? NONE;
    return { requests: all.requests - times * requests, bytes: all.bytes - times * bytes, ms: all.ms - times * ms };
  });
}

/** Divides the use by so many messages or ticks. It leaves out what was never asked for. */
export function per(use: ApiServerUse, things: number): ApiServerUse {
  const asked = new Map([...use].filter(([, { requests }]) => requests > 0));
  return mapped(asked, ({ requests, bytes, ms }) => ({
    requests: requests / things,
    bytes: bytes / things,
    ms: ms / things,
  }));
}

function mapped(use: ApiServerUse, change: (use: Use, asked: string) => Use): ApiServerUse {
  return new Map([...use].map(([asked, each]) => [asked, change(each, asked)]));
}

/** Adds up the use of all verbs and resources. */
export function sumOf(use: ApiServerUse): Use {
  const sum = (name: keyof Use) => [...use.values()].reduce((total, each) => total + each[name], 0);
  return { requests: sum("requests"), bytes: sum("bytes"), ms: sum("ms") };
}

function nameOf(labels: string): string {
  const of = (label: string) => new RegExp(`(?:^|,)${label}="([^"]*)"`).exec(labels)?.[1] ?? "";
  // The server counts the read of a log as a connection.
  const verb = of("verb") === "CONNECT" ? "GET" : of("verb");
  return [verb, [of("resource"), of("subresource")].filter((part) => part !== "").join("/")].join(" ");
}

function isKey<T extends object>(name: string, of: T): name is string & keyof T {
  return name in of;
}
