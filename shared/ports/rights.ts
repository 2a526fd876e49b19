/** One right at the API server, as RBAC names it. */
export interface Right {
  readonly verb: "create" | "get" | "list" | "watch" | "patch";
  /** The API group; `""` is the core group. */
  readonly group: "" | "batch";
  /** The resource, with its subresource behind a slash, as in a Role. */
  readonly resource: "jobs" | "pods" | "pods/log" | "events" | "namespaces";
  /** What the Dispatcher needs the right for. */
  readonly why: string;
  /** What the Dispatcher does without the right. If undefined, the runs that need it wait. */
  readonly without?: string;
}

/**
 * The rights that the Dispatcher's Role in the job namespace has to grant, and the only ones that it needs. It needs no
 * `delete`, because a patch ends a Job and its TTL removes it. It finds pods by listing those of a Job, never by name.
 * Asking for a right needs none. The right to get namespaces, in a Role, is the right to get the Role's own namespace.
 */
export const RIGHTS: readonly Right[] = [
  { verb: "create", group: "batch", resource: "jobs", why: "start an attempt" },
  { verb: "get", group: "batch", resource: "jobs", why: "see how a Job ended" },
  { verb: "list", group: "batch", resource: "jobs", why: "see which Jobs there are" },
  {
    verb: "watch",
    group: "batch",
    resource: "jobs",
    why: "hear of a Job's end at once",
    without: "each tick lists all Jobs, and sees a Job's end up to 10 s later",
  },
  { verb: "patch", group: "batch", resource: "jobs", why: "end a Job, and retire it" },
  { verb: "list", group: "", resource: "pods", why: "see exit codes, and why a pod can't start" },
  {
    verb: "watch",
    group: "",
    resource: "pods",
    why: "hear at once that the work is done",
    without: "a message is settled a second or two later, when the cluster says that the Job is complete",
  },
  { verb: "get", group: "", resource: "pods/log", why: "keep a Job's logs" },
  { verb: "list", group: "", resource: "events", why: "see why a Job gets no pod" },
  {
    verb: "get",
    group: "",
    resource: "namespaces",
    why: "know the cluster by the namespace's uid",
    without: "another cluster is only noticed if ten Jobs or more are missing there",
  },
];

/** Writes the Role in one line: `jobs (create, get, list, patch), pods (list) ...`. */
export function rightsInWords(): string {
  const resources = [...new Set(RIGHTS.map(({ resource }) => resource))];
  const parts = resources.map((resource) => {
    const verbs = RIGHTS.filter((right) => right.resource === resource).map(({ verb }) => verb);
    return `${resource} (${verbs.join(", ")})`;
  });
  return `${parts.slice(0, -1).join(", ")} and ${parts.at(-1) ?? ""}`;
}
