/** One thing that the Dispatcher does to the API server, as RBAC names it. */
export interface Right {
  readonly verb: "create" | "get" | "list" | "patch";
  /** The API group: `""` is the core one. */
  readonly group: "" | "batch";
  /** With the subresource behind a slash, as in a Role. */
  readonly resource: "jobs" | "pods" | "pods/log" | "events";
  /** What needs it. */
  readonly why: string;
}

/**
 * Everything that the Dispatcher's Role in the job namespace has to allow, and all that it may. There is no `watch`, for each tick lists; no
 * `delete`, for Jobs are ended by a patch and removed by their TTL; and a pod is found by listing its Job's pods, never by name. To ask
 * whether it has a right needs none, and `verify` can do without looking at the namespace.
 */
export const RIGHTS: readonly Right[] = [
  { verb: "create", group: "batch", resource: "jobs", why: "start an attempt" },
  { verb: "get", group: "batch", resource: "jobs", why: "see how a Job ended" },
  { verb: "list", group: "batch", resource: "jobs", why: "see which Jobs there are" },
  { verb: "patch", group: "batch", resource: "jobs", why: "end a Job, and mark it as settled" },
  { verb: "list", group: "", resource: "pods", why: "see exit codes, and why a pod can't start" },
  { verb: "get", group: "", resource: "pods/log", why: "keep a Job's logs" },
  { verb: "list", group: "", resource: "events", why: "see why a Job gets no pod" },
];

/** The Role in one line: `jobs (create, get, list, patch), pods (list) ...`. */
export function rightsInWords(): string {
  const resources = [...new Set(RIGHTS.map(({ resource }) => resource))];
  const parts = resources.map((resource) => {
    const verbs = RIGHTS.filter((right) => right.resource === resource).map(({ verb }) => verb);
    return `${resource} (${verbs.join(", ")})`;
  });
  return `${parts.slice(0, -1).join(", ")} and ${parts.at(-1) ?? ""}`;
}
