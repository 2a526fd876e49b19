/** What the API server did for its clients, by verb and resource as its own metrics name them: `LIST pods`, `GET pods/log`. */
export type ApiServerUse = ReadonlyMap<string, Use>;

interface Use {
  readonly requests: number;
  /** Of the answers; the server counts those of reads alone. */
  readonly bytes: number;
  /** From the request to the end of its answer. */
  readonly ms: number;
}

const NONE: Use = { requests: 0, bytes: 0, ms: 0 };

/** Each metric that counts, with what it counts. */
const METRICS = {
  apiserver_request_total: "requests",
  apiserver_response_sizes_sum: "bytes",
  apiserver_request_duration_seconds_sum: "ms",
} as const satisfies Record<string, keyof Use>;

/** All that the Dispatcher asks for. Others ask for the same names with other verbs, `PUT jobs/status` or `POST pods` say. */
const ASKED = ["POST jobs", "PATCH jobs", "GET jobs", "LIST jobs", "LIST pods", "GET pods/log", "LIST events"];

/** Reads what the API server says at `/metrics`: all since it started. */
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

/** What is left of one without so many times the other: what was done between two readings, say. */
export function less(use: ApiServerUse, other: ApiServerUse, times = 1): ApiServerUse {
  return mapped(use, (all, asked) => {
    const { requests, bytes, ms } = other.get(asked) ?? NONE;
    return { requests: all.requests - times * requests, bytes: all.bytes - times * bytes, ms: all.ms - times * ms };
  });
}

/** Shared out among so many things. What nobody asked for is left out. */
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

/** All of it together. */
export function sumOf(use: ApiServerUse): Use {
  const sum = (name: keyof Use) => [...use.values()].reduce((total, each) => total + each[name], 0);
  return { requests: sum("requests"), bytes: sum("bytes"), ms: sum("ms") };
}

function nameOf(labels: string): string {
  const of = (label: string) => new RegExp(`(?:^|,)${label}="([^"]*)"`).exec(labels)?.[1] ?? "";
  // The log of a pod is a connection, to the server's mind.
  const verb = of("verb") === "CONNECT" ? "GET" : of("verb");
  return [verb, [of("resource"), of("subresource")].filter((part) => part !== "").join("/")].join(" ");
}

function isKey<T extends object>(name: string, of: T): name is string & keyof T {
  return name in of;
}
